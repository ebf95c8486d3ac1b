/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and mapping user namespaces. That of the machine itself is made with PID 1, by the engine. */
#include "spawn/userns.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
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

static int read_map(pid_t pid, const char *file, IdRanges *ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        IdRanges ranges = {};
        char path[64], *save = NULL;
        unsigned inside, outside, length;

        (void) snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);
        if (r < 0)
                return error_set(e, r, "cannot read %s: %m", file);
        for (char *line = strtok_r(text, "\n", &save); line && r >= 0;
             line = strtok_r(NULL, "\n", &save))
                r = sscanf(line, "%u %u %u", &inside, &outside, &length) == 3
                            ? id_ranges_add(&ranges, inside, outside, length, e)
                            : error_set(e, EBADMSG, "%s: '%.40s' is no range", file, line);
        if (r >= 0)
                *ret = ranges;
        return r;
}

/* In the namespace, until its maps have been read. Nobody in there may look at it: it has been executed outside. */
_noreturn_ static void stand_in(int fd, int ready) {
        pid_t parent = getppid();

        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        if (setns(fd, CLONE_NEWUSER) < 0 || write(ready, "", 1) != 1)
                _exit(errno);
        (void) close(ready);
        hold(parent);
}

int userns_read_maps(int fd, IdRanges *ret_uids, IdRanges *ret_gids, Error *e) {
        _cleanup_fd_ int pidfd = -EBADF, ready = -EBADF;
        siginfo_t info = {};
        int pair[2], r;
        char byte;
        struct clone_args args = { .flags = CLONE_PIDFD,
                                   .pidfd = (uint64_t) (uintptr_t) &pidfd,
                                   .exit_signal = SIGCHLD };

        if (pipe2(pair, O_CLOEXEC) < 0)
                return error_set(e, errno, "cannot make a pipe: %m");
        pid_t pid = proc_clone3(&args);
        if (pid == 0)
                stand_in(fd, pair[1]);
        ready = pair[0];
        (void) close(pair[1]);
        if (pid < 0)
                return error_set(e, pid, "cannot fork: %m");
        if (fd_read(ready, &byte, 1) == 1) {
                r = read_map(pid, "uid_map", ret_uids, e);
                if (r >= 0)
                        r = read_map(pid, "gid_map", ret_gids, e);
                (void) proc_pidfd_signal(pidfd, SIGKILL);
                (void) proc_wait(pidfd, NULL);
                return r;
        }
        (void) proc_wait(pidfd, &info);
        return error_set(e, info.si_status ? info.si_status : EIO,
                         "cannot enter the user namespace: %m");
}

int userns_drop_groups(void) {
        int r = setgroups(0, NULL) < 0 ? -errno : 0;

        return r == -EPERM && getgroups(0, NULL) == 0 ? 0 : r;
}

bool userns_is_first(void) {
        struct stat st;

        return stat("/proc/self/ns/user", &st) < 0 || st.st_ino == INODE_OF_FIRST;
}
