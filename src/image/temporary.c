/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary names in a pool and the sweeping of what a crash left under them. Knows no transfers: that
 * an entry is alive is told by its image lock alone. */
#include "image/temporary.h"

#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/path.h"
#include "image/lock.h"
#include "image/subvolume.h"

#define PREFIX        ".#skep."
#define NAME_PART_MAX 128 /* leaves room for the lock file's ".#" and ".lck" around it */

int temporary_name(const char *name, char **ret) {
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -errno;
        char *s = str_format(PREFIX "%.*s.%016jx", NAME_PART_MAX, name, (uintmax_t) random);
        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

bool temporary_name_is_own(const char *entry) {
        const char *rest = str_skip_prefix(entry, PREFIX);
        const char *dot = rest ? strrchr(rest, '.') : NULL;

        return dot && dot > rest && strlen(dot + 1) == 16 &&
               strspn(dot + 1, "0123456789abcdef") == 16;
}

/* A tree or a disk that is being built is held by a lock on the directory or file itself. Return: 0; -EWOULDBLOCK
 * somebody works on it; -errno. */
static int hold(int dir_fd, const char *entry, int *ret_fd) {
        struct stat st;

        if (fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return 0;
        *ret_fd = openat(dir_fd, entry, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        return *ret_fd < 0 || flock(*ret_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/* Return: 1 removed; 0 somebody works on it; -errno. */
static int sweep_one(int dir_fd, const char *directory, const char *entry, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;
        _cleanup_free_ char *path = path_join(directory, entry);
        _cleanup_fd_ int fd = -EBADF;
        int r = hold(dir_fd, entry, &fd);

        if (r == -ENOENT || r == -EWOULDBLOCK)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot look at what was left over, '%s/%s': %m", directory,
                                 entry);
        if (!path)
                return error_oom(e);
        r = image_lock(path, true, &lock, e);
        if (r == -ENOENT || r == IMAGE_LOCK_BUSY)
                return 0;
        if (r < 0)
                return r;
        r = tree_remove(dir_fd, entry);
        return r < 0 ? error_set(e, r, "cannot remove what was left over, '%s': %m", path) : 1;
}

int temporary_sweep(const char *path, Error *e) {
        _cleanup_dir_ DIR *d = opendir(path);
        struct dirent *de;
        int n = 0, first = 0;

        if (!d)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot list '%s': %m", path);

        while ((de = readdir(d))) {
                if (!temporary_name_is_own(de->d_name))
                        continue;
                int r = sweep_one(dirfd(d), path, de->d_name, first < 0 ? NULL : e);
                if (r < 0 && first == 0)
                        first = r;
                else if (r > 0)
                        n++;
        }
        return first < 0 ? first : n;
}
