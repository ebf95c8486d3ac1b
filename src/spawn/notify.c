/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readiness, see notify.h. The service manager's side of the protocol is spoken here in its simplest
 * form, one datagram, so that what stays resident needs no library for it. */
#include "spawn/notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define MESSAGE_MAX 4096
#define STATUS_MAX  256

int notify_manager(const char *state) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (!path || (*path != '/' && *path != '@') || !path[1])
                return 0;
        size_t n = strlen(path);
        if (n >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, n);
        if (*path == '@')
                address.sun_path[0] = '\0';

        _cleanup_fd_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (sock < 0)
                return -errno;
        socklen_t length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n);
        if (sendto(sock, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address, length) <
            0)
                return -errno;
        return 1;
}

void notify_message_done(NotifyMessage *m) {
        free(m->status);
        *m = (NotifyMessage){};
}

/* The payload chooses the words, but not control characters or a field of its own in what we pass on. */
static char *clean_status(const char *s) {
        char *copy = strndup(s, STATUS_MAX);

        for (char *c = copy; c && *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        *c = ' ';
        while (copy && *copy && !str_is_utf8(copy, strlen(copy)))
                copy[strlen(copy) - 1] = '\0'; /* cut in the middle of a character */
        return copy;
}

int notify_parse(const char *text, size_t n, NotifyMessage *ret) {
        _cleanup_(notify_message_done) NotifyMessage m = {};
        _cleanup_strv_ char **lines = NULL;

        if (!str_is_utf8(text, n))
                return -EINVAL;
        _cleanup_free_ char *copy = strndup(text, n);
        if (!copy || str_split(copy, "\n", &lines) < 0)
                return -ENOMEM;

        STRV_FOREACH(line, lines) {
                const char *status = str_skip_prefix(*line, "STATUS=");

                if (streq(*line, "READY=1"))
                        m.ready = true;
                if (!status)
                        continue;
                free(m.status);
                m.status = clean_status(status);
                if (!m.status)
                        return -ENOMEM;
        }
        *ret = m;
        m = (NotifyMessage){};
        return 0;
}

int notify_socket(Error *e) {
        const int on = 1;
        _cleanup_fd_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (sock < 0)
                return error_set(e, errno, "cannot create the notification socket: %m");
        if (setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
                return error_set(e, errno, "cannot set up the notification socket: %m");
        return TAKE_FD(sock);
}

/* Who sent a message; descriptors that came with it are closed. */
static pid_t sender_of(struct msghdr *m) {
        pid_t pid = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_CREDENTIALS &&
                    c->cmsg_len == CMSG_LEN(sizeof(struct ucred)))
                        pid = ((struct ucred *) CMSG_DATA(c))->pid;
                if (c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++)
                        (void) fd_close(((int *) CMSG_DATA(c))[i]);
        }
        return pid;
}

int notify_receive(int sock, pid_t leader, NotifyMessage *ret) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(struct ucred))];
        } control = {};
        char text[MESSAGE_MAX];
        struct iovec iov = { .iov_base = text, .iov_len = sizeof text };
        struct msghdr m = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };
        ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (sender_of(&m) != leader || (m.msg_flags & MSG_TRUNC))
                return 0;
        return notify_parse(text, (size_t) n, ret) < 0 ? 0 : 1;
}
