/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runtime directories of machines, see runtime.h. The lock is the kernel's: it goes with its owner
 * however that ends. */
#include "spawn/runtime.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/cgroup-place.h"

#define RUNTIME_DIR "/run/skep"
#define SWEEP_MAX   16
#define LOCK_TRIES  20 /* one a millisecond */

/* Return: 0 and the locked directory; -EWOULDBLOCK somebody else has it; -ENOENT; -errno. */
static int lock_directory(int parent_fd, const char *name, int *ret) {
        _cleanup_fd_ int fd = openat(parent_fd, name,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_nlink == 0)
                return -ENOENT;
        *ret = TAKE_FD(fd);
        return 0;
}

static void remove_leftovers(int parent_fd, const char *name, int fd) {
        char path[PATH_MAX];
        ssize_t n = readlinkat(fd, "cgroup", path, sizeof path - 1);

        if (n > 0) {
                path[n] = '\0';
                if (path_is_absolute_clean(path) && path[1])
                        cgroup_place_remove(path);
        }
        (void) unlinkat(fd, "cgroup", 0);
        (void) unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static int open_parent(void) {
        int fd = open(RUNTIME_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0 || errno != ENOENT)
                return fd < 0 ? -errno : fd;
        if (mkdir(RUNTIME_DIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(RUNTIME_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int runtime_apply(const Spec *spec, Run *run, Error *e) {
        _cleanup_fd_ int parent = open_parent();
        unsigned tries = 0;

        if (parent < 0)
                return error_set(e, parent, "cannot make '%s': %m", RUNTIME_DIR);

        for (;;) {
                bool made = mkdirat(parent, spec->machine, 0700) >= 0;
                if (!made && errno != EEXIST)
                        return error_set(e, errno, "cannot make '%s/%s': %m", RUNTIME_DIR,
                                         spec->machine);

                int r = lock_directory(parent, spec->machine, &run->lock_fd);
                /* Somebody who sweeps may hold it for a moment. */
                if (r == -EWOULDBLOCK && tries++ < LOCK_TRIES) {
                        (void) usleep(1000);
                        continue;
                }
                if (r == -EWOULDBLOCK)
                        return error_set(e, EBUSY, "a machine '%s' is running already",
                                         spec->machine);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return error_set(e, r, "cannot lock '%s/%s': %m", RUNTIME_DIR,
                                         spec->machine);
                if (made)
                        break;
                remove_leftovers(parent, spec->machine, run->lock_fd);
                run->lock_fd = fd_close(run->lock_fd);
        }

        run->runtime = path_join(RUNTIME_DIR, spec->machine);
        return run->runtime ? 0 : error_oom(e);
}

int runtime_note_cgroup(Run *run, Error *e) {
        /* After a reboot of the payload it is there already, and the same. */
        if (!run->cgroup_is_ours || symlinkat(run->cgroup, run->lock_fd, "cgroup") >= 0 ||
            errno == EEXIST)
                return 0;
        return error_set(e, errno, "cannot write to '%s': %m", run->runtime);
}

void runtime_revert(Run *run) {
        if (run->lock_fd < 0)
                return;
        (void) unlinkat(run->lock_fd, "cgroup", 0);
        (void) rmdir(run->runtime);
        run->lock_fd = fd_close(run->lock_fd);
}

void runtime_sweep(void) {
        _cleanup_fd_ int parent = open_parent();
        _cleanup_dir_ DIR *d = NULL;
        unsigned seen = 0;

        if (parent < 0)
                return;
        int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d)
                return;
        for (struct dirent *entry = readdir(d); entry && seen < SWEEP_MAX; entry = readdir(d)) {
                _cleanup_fd_ int dir = -EBADF;

                if (entry->d_name[0] == '.')
                        continue;
                seen++;
                if (lock_directory(parent, entry->d_name, &dir) >= 0)
                        remove_leftovers(parent, entry->d_name, dir);
        }
}
