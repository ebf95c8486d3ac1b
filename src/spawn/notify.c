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
#define FD_NAME_MAX 200

/* Room for what comes or goes with a message, aligned as its header has to be. */
typedef union Control {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int))];
} Control;

int notify_manager(const char *state) {
        return notify_manager_fds(state, NULL, 0);
}

int notify_manager_fds(const char *state, const int *fds, size_t n_fds) {
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
        struct iovec iov = { .iov_base = (char *) state, .iov_len = strlen(state) };
        struct msghdr m = {
                .msg_name = &address,
                .msg_namelen = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n),
                .msg_iov = &iov,
                .msg_iovlen = 1,
        };
        Control control = {};
        assert_se(n_fds <= NOTIFY_FDS_MAX);
        if (n_fds > 0) {
                control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                                   .cmsg_type = SCM_RIGHTS,
                                                   .cmsg_len = CMSG_LEN(n_fds * sizeof *fds) };
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof *fds);
                m.msg_control = &control;
                m.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
        }
        return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 1;
}

void notify_message_done(NotifyMessage *m) {
        for (size_t i = 0; i < m->n_fds; i++)
                (void) fd_close(m->fds[i]);
        free(m->fd_name);
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

/* As the service manager has it, and short enough for what we put before it. */
static bool fd_name_is_valid(const char *s) {
        size_t n = strlen(s);

        if (n == 0 || n > FD_NAME_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if (s[i] <= ' ' || s[i] > '~' || s[i] == ':')
                        return false;
        return true;
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
                const char *name = str_skip_prefix(*line, "FDNAME=");

                m.ready = m.ready || streq(*line, "READY=1");
                m.store = m.store || streq(*line, "FDSTORE=1");
                m.forget = m.forget || streq(*line, "FDSTOREREMOVE=1");
                if (name && fd_name_is_valid(name) && str_replace(&m.fd_name, name) < 0)
                        return -ENOMEM;
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

/* Who sent a message, and what came with it. */
static pid_t look_at(struct msghdr *m, int fds[static NOTIFY_FDS_MAX], size_t *ret_n) {
        pid_t pid = 0;

        *ret_n = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_CREDENTIALS &&
                    c->cmsg_len == CMSG_LEN(sizeof(struct ucred)))
                        pid = ((struct ucred *) CMSG_DATA(c))->pid;
                if (c->cmsg_type != SCM_RIGHTS)
                        continue;
                /* One array at most, and no more than there is room for. */
                *ret_n = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t) NOTIFY_FDS_MAX);
                memcpy(fds, CMSG_DATA(c), *ret_n * sizeof(int));
        }
        return pid;
}

int notify_receive(int sock, pid_t leader, bool with_fds, NotifyMessage *ret) {
        _cleanup_(notify_message_done) NotifyMessage parsed = {};
        char text[MESSAGE_MAX];
        Control control = {};
        struct iovec iov = { .iov_base = text, .iov_len = sizeof text };
        struct msghdr m = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                /* Without room for them the kernel closes them. */
                .msg_controllen = with_fds ? sizeof control : CMSG_SPACE(sizeof(struct ucred)),
        };
        int fds[NOTIFY_FDS_MAX];
        size_t n_fds;
        ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        pid_t sender = look_at(&m, fds, &n_fds);
        int r = notify_parse(text, (size_t) n, &parsed);
        memcpy(parsed.fds, fds, n_fds * sizeof *fds);
        parsed.n_fds = n_fds;
        if (sender != leader || (m.msg_flags & MSG_TRUNC) || r < 0)
                return 0;
        *ret = parsed;
        parsed = (NotifyMessage){};
        return 1;
}
