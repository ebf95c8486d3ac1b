/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handing out what a process was started with, see hand-out.h. */
#include "spawn/hand-out.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path.h"

/* The directory of a path that may be relative. */
static int open_parent(const char *path) {
        const char *name = path_last(path);
        _cleanup_free_ char *parent = strndup(path, (size_t) (name - path));
        int fd = parent ? open(*parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        return !parent ? -ENOMEM : fd < 0 ? -errno : fd;
}

int hand_out_pid(const char *path, pid_t pid, Error *e) {
        _cleanup_fd_ int dir = open_parent(path);
        char text[16];
        int r = dir;

        (void) snprintf(text, sizeof text, "%d", pid);
        if (r >= 0)
                r = file_write_atomic(dir, path_last(path), text, strlen(text), 0644);
        return r < 0 ? error_set(e, r, "cannot write the PID to '%s': %m", path) : 0;
}

/* By way of its directory, since the address of a socket is short. */
static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int dir = open_parent(path), sock = -EBADF;

        if (dir < 0)
                return dir;
        int n = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir,
                         path_last(path));
        if (n < 0 || (size_t) n >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (sock < 0 || connect(sock, (struct sockaddr *) &address, sizeof address) < 0)
                return -errno;
        return TAKE_FD(sock);
}

int hand_out_terminal(const char *path, int terminal_fd, Error *e) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        _cleanup_fd_ int sock = connect_to(path);
        char name[32];
        unsigned number;

        if (sock < 0)
                return error_set(e, sock, "cannot connect to the console socket '%s': %m", path);
        if (ioctl(terminal_fd, TIOCGPTN, &number) < 0)
                return error_set(e, errno, "cannot tell the number of the terminal: %m");
        (void) snprintf(name, sizeof name, "/dev/pts/%u", number);
        /* Ours does not wait; who gets it expects the usual. */
        (void) fd_set_nonblock(terminal_fd, false);

        struct iovec iov = { .iov_base = name, .iov_len = strlen(name) };
        struct msghdr m = { .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control };
        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS,
                                           .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(&control.header), &terminal_fd, sizeof terminal_fd);
        return sendmsg(sock, &m, MSG_NOSIGNAL) < 0
                       ? error_set(e, errno, "cannot send the terminal to '%s': %m", path)
                       : 0;
}
