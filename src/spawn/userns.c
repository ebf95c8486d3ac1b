/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and mapping user namespaces. That of the machine itself is made with PID 1, by the engine. */
#include "spawn/userns.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc.h"

#define INODE_OF_FIRST 0xEFFFFFFDU /* of the user namespace that the kernel starts with */

static int write_map(pid_t pid, const char *file, const IdRanges *ranges, Error *e) {
        _cleanup_(buf_done) Buf text = {};
        char path[64];
        int r = id_ranges_format(ranges, &text);

        if (r < 0)
                return error_oom(e);
        (void) snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        r = file_write(AT_FDCWD, path, text.p, 0, 0);
        if (r == -EPERM)
                return error_set(e, r,
                                 "cannot write %s: %m; are the IDs from %u on, of the host, not"
                                 " ours to give away?",
                                 file, ranges->v[0].outside);
        return r < 0 ? error_set(e, r, "cannot write %s: %m", file) : 0;
}

int userns_write_maps(pid_t pid, const IdRanges *uids, const IdRanges *gids, Error *e) {
        int r = write_map(pid, "uid_map", uids, e);

        return r < 0 ? r : write_map(pid, "gid_map", gids, e);
}

int userns_open(pid_t pid, Error *e) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the user namespace: %m") : fd;
}

/* Holds the namespace until it has been opened. Whoever wants it open may die meanwhile. */
_noreturn_ static void hold(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        for (;;)
                (void) pause();
}

int userns_new(const IdRanges *uids, const IdRanges *gids, Error *e) {
        int pidfd = -EBADF;
        struct clone_args args = {
                .flags = CLONE_NEWUSER | CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
        };
        pid_t self = getpid(), pid = proc_clone3(&args);

        if (pid < 0)
                return error_set(e, pid, "cannot make a user namespace: %m");
        if (pid == 0)
                hold(self);

        /* Who made us may have a PID namespace of its own, and still the host's proc. */
        int fd = proc_pidfd_pid(pidfd, &pid);
        if (fd < 0)
                (void) error_set(e, fd, "cannot tell who holds the user namespace: %m");
        if (fd >= 0)
                fd = userns_write_maps(pid, uids, gids, e);
        if (fd >= 0)
                fd = userns_open(pid, e);
        (void) proc_pidfd_signal(pidfd, SIGKILL);
        (void) proc_wait(pidfd, NULL);
        (void) close(pidfd);
        return fd;
}

int userns_new_owner(uid_t uid, uid_t to_uid, gid_t gid, gid_t to_gid, Error *e) {
        IdRanges uids = id_ranges_one(uid, to_uid, 1), gids = id_ranges_one(gid, to_gid, 1);

        return userns_new(&uids, &gids, e);
}

bool userns_is_first(void) {
        struct stat st;

        return stat("/proc/self/ns/user", &st) < 0 || st.st_ino == INODE_OF_FIRST;
}
