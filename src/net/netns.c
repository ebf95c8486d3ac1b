/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network namespaces of others, see netns.h. */
#include "net/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/proc.h"

/* In the child, whose descriptors are ours. */
_noreturn_ static void make_socket(int netns_fd, int family, int type, int protocol, int at) {
        int fd = setns(netns_fd, CLONE_NEWNET) < 0 ? -1
                                                   : socket(family, type | SOCK_CLOEXEC, protocol);

        if (fd < 0 || dup3(fd, at, O_CLOEXEC) < 0)
                _exit(errno > 0 && errno < 256 ? errno : EIO);
        (void) close(fd);
        _exit(0);
}

int netns_socket(int netns_fd, int family, int type, int protocol, Error *e) {
        /* The place in the table of descriptors where it is going to be. */
        _cleanup_fd_ int fd = fcntl(netns_fd, F_DUPFD_CLOEXEC, 3), pidfd = -EBADF;
        struct clone_args args = {
                .flags = CLONE_FILES | CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
        };
        siginfo_t info;

        if (fd < 0)
                return error_set(e, errno, "cannot duplicate a descriptor: %m");
        pid_t pid = proc_clone3(&args);
        if (pid == 0)
                make_socket(netns_fd, family, type, protocol, fd);
        int r = pid < 0 ? pid : proc_wait(pidfd, &info);
        if (r >= 0)
                r = info.si_code != CLD_EXITED ? -EIO : -info.si_status;
        return r < 0 ? error_set(e, r, "cannot make a socket in the network namespace: %m")
                     : TAKE_FD(fd);
}

int netns_do(int netns_fd, int (*task)(const void *data), const void *data, Error *e) {
        _cleanup_fd_ int pidfd = -EBADF;
        struct clone_args args = {
                .flags = CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
        };
        siginfo_t info;

        pid_t pid = proc_clone3(&args);
        if (pid == 0) {
                int r = setns(netns_fd, CLONE_NEWNET) < 0 ? -errno : task(data);
                _exit(r < 0 ? (r > -256 ? -r : EIO) : 0);
        }
        int r = pid < 0 ? pid : proc_wait(pidfd, &info);
        if (r >= 0)
                r = info.si_code != CLD_EXITED ? -EIO : -info.si_status;
        return r < 0 ? error_set(e, r, "cannot work in the network namespace: %m") : 0;
}

int netns_open(const char *path, Error *e) {
        /* Whatever it is, opening it is to start nothing. */
        _cleanup_fd_ int name = open(path, O_PATH | O_CLOEXEC), fd = -EBADF;
        struct statfs fs;

        if (name < 0)
                return error_set(e, errno, "cannot open network namespace '%s': %m", path);
        if (fstatfs(name, &fs) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", path);
        if (fs.f_type == NSFS_MAGIC)
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && fs.f_type == NSFS_MAGIC)
                return error_set(e, errno, "cannot open network namespace '%s': %m", path);
        if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC ||
            ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
                return error_set(e, EINVAL, "'%s' is not a network namespace", path);
        return TAKE_FD(fd);
}
