/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control groups of containers, see group.h. */
#include "spawn/oci/group.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/proc.h"

#define PROCS_MAX   (16U << 20)
#define SETTLE_USEC (UINT64_C(10) * 1000 * 1000)

int group_open(const Container *c, Error *e) {
        _cleanup_free_ char *mount = NULL, *path = NULL;

        if (!c->state.cgroup)
                return error_set(e, ENOENT, "the container has no control group of its own");
        int r = cgroup_mount(&mount);
        if (r < 0)
                return error_set(e, r, "cannot find the control groups: %m");
        path = path_join(mount, c->state.cgroup);
        if (!path)
                return error_oom(e);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the control group '%s': %m", path) : fd;
}

typedef struct Pids {
        pid_t *v;
        size_t n, size;
} Pids;

static int add_pid(Pids *p, pid_t pid) {
        if (p->n == p->size) {
                size_t size = p->size ? p->size * 2 : 64;
                pid_t *v = reallocarray(p->v, size, sizeof *v);

                if (!v)
                        return -ENOMEM;
                p->v = v;
                p->size = size;
        }
        p->v[p->n++] = pid;
        return 0;
}

/* A group with threads of its own has no list of processes that could be read. */
static int add_group(int fd, Pids *p) {
        _cleanup_free_ char *text = NULL;
        char *save = NULL;
        pid_t pid;
        int r = file_read(fd, "cgroup.procs", PROCS_MAX, &text, NULL);

        if (r < 0)
                return r == -EOPNOTSUPP || r == -ENODEV || r == -ENOENT ? 0 : r;
        for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save))
                if (parse_pid(w, &pid) >= 0 && add_pid(p, pid) < 0)
                        return -ENOMEM;
        return 0;
}

static int add_tree(int fd, Pids *p) {
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
        _cleanup_dir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);

        if (!d) {
                r = -errno;
                (void) fd_close(copy);
                return r == -ENOENT ? 0 : r;
        }
        r = add_group(fd, p);
        for (struct dirent *entry = readdir(d); entry && r >= 0; entry = readdir(d)) {
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                _cleanup_fd_ int below = openat(fd, entry->d_name,
                                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (below >= 0)
                        r = add_tree(below, p);
        }
        return r;
}

int group_pids(const Container *c, pid_t **ret, size_t *ret_n, Error *e) {
        Pids p = {};
        int r;

        if (c->state.cgroup) {
                _cleanup_fd_ int fd = group_open(c, e);
                if (fd < 0 && c->pidfd >= 0)
                        return fd;
                r = fd < 0 ? 0 : add_tree(fd, &p);
        } else
                r = c->pidfd < 0 ? 0 : add_pid(&p, (pid_t) c->state.pid.value);
        if (r < 0) {
                free(p.v);
                return error_set(e, r, "cannot list the processes of '%s': %m", c->id);
        }
        *ret = p.v;
        *ret_n = p.n;
        return 0;
}

/* A process that is in the group when we look, and is another one when we signal it, would have to be of
 * the group again: whoever got its PID is asked for its group once more. */
static void signal_member(const Container *c, pid_t pid, int signal) {
        _cleanup_free_ char *group = NULL;
        _cleanup_fd_ int pidfd = proc_pidfd_open(pid);

        if (pidfd < 0)
                return;
        if (c->state.cgroup &&
            (cgroup_of_pid(pid, &group) < 0 || !path_is_below(group, c->state.cgroup)))
                return;
        (void) proc_pidfd_signal(pidfd, signal);
}

int group_signal(const Container *c, int signal, Error *e) {
        _cleanup_free_ pid_t *pids = NULL;
        size_t n = 0;

        if (signal == SIGKILL && c->state.cgroup) {
                _cleanup_fd_ int fd = group_open(c, NULL);
                if (fd < 0 || file_write(fd, "cgroup.kill", "1", 0, 0) >= 0)
                        return 0;
        }
        int r = group_pids(c, &pids, &n, e);
        for (size_t i = 0; i < n && r >= 0; i++)
                signal_member(c, pids[i], signal);
        return r;
}

static bool has_settled(int fd, bool frozen) {
        _cleanup_free_ char *text = NULL;

        return file_read(fd, "cgroup.events", 4096, &text, NULL) >= 0 &&
               strstr(text, frozen ? "frozen 1" : "frozen 0");
}

int group_freeze(const Container *c, bool frozen, Error *e) {
        _cleanup_fd_ int fd = group_open(c, e), events = -EBADF;
        uint64_t deadline = now_usec() + SETTLE_USEC;

        if (fd < 0)
                return fd;
        events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        int r = events < 0 ? -errno : file_write(fd, "cgroup.freeze", frozen ? "1" : "0", 0, 0);
        if (r < 0)
                return error_set(e, r, "cannot %s the control group: %m",
                                 frozen ? "freeze" : "thaw");
        while (!has_settled(fd, frozen)) {
                uint64_t now = now_usec();
                char text[256];

                if (now >= deadline)
                        return error_set(e, ETIMEDOUT, "some of its processes cannot be stopped");
                /* The kernel tells of changes to who has read the file. */
                (void) pread(events, text, sizeof text, 0);
                if (!has_settled(fd, frozen))
                        (void) fd_wait(events, POLLPRI, MIN(deadline - now, (uint64_t) 100000));
        }
        return 0;
}
