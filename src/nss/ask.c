/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call over varlink, see ask.h. Nothing here waits but by poll() up to the deadline, raises a signal, or
 * leaves a descriptor: it runs in threads of programs that expect nothing of the kind. */
#include "nss/ask.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define REPLY_MAX  (256U << 10)
#define RETRY_USEC 5000U

static int wait_for(int fd, short events, uint64_t deadline) {
        uint64_t now = now_usec();
        int r = now >= deadline ? 0 : fd_wait(fd, events, deadline - now);

        return r == 0 ? -ETIMEDOUT : MIN(r, 0);
}

/* A socket of this kind is connected at once, or its queue is full, which poll() cannot wait for. */
static int connect_to(const char *path, uint64_t deadline) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;
        size_t n = strlen(path);

        if (n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, n);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        while (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (now_usec() + RETRY_USEC >= deadline)
                        return -ETIMEDOUT;
                (void) poll(NULL, 0, RETRY_USEC / 1000);
        }
        return TAKE_FD(fd);
}

static int check_peer(int fd, uid_t uid) {
        struct ucred peer;
        socklen_t n = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return -errno;
        if (uid != UID_INVALID && peer.uid != uid)
                return -EPERM;
        /* Who serves it, or works for who does, would wait for itself. */
        return peer.pid == getpid() || (peer.pid > 1 && peer.pid == getppid()) ? -EDEADLK : 0;
}

static int send_all(int fd, const char *p, size_t n, uint64_t deadline) {
        while (n > 0) {
                ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (sent >= 0) {
                        p += sent;
                        n -= (size_t) sent;
                        continue;
                }
                if (errno == EINTR)
                        continue;
                int r = errno == EAGAIN ? wait_for(fd, POLLOUT, deadline) : -errno;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Reads up to the NUL that ends a message. */
static int receive(int fd, uint64_t deadline, Buf *reply) {
        for (;;) {
                int r = buf_reserve(reply, 4096);
                if (r < 0)
                        return r;
                ssize_t n = recv(fd, reply->p + reply->n, 4096, MSG_DONTWAIT);
                if (n < 0) {
                        r = errno == EAGAIN  ? wait_for(fd, POLLIN, deadline)
                            : errno == EINTR ? 0
                                             : -errno;
                        if (r < 0)
                                return r;
                        continue;
                }
                if (n == 0)
                        return -ECONNRESET;
                bool is_whole = memchr(reply->p + reply->n, 0, (size_t) n);
                reply->n += (size_t) n;
                if (is_whole)
                        return 0;
                if (reply->n > REPLY_MAX)
                        return -EMSGSIZE;
                /* One that sends without end is no reason to be here for ever. */
                if (now_usec() >= deadline)
                        return -ETIMEDOUT;
        }
}

int ask(const char *path, uid_t uid, const char *message, uint64_t deadline_usec, char **ret) {
        _cleanup_(buf_done) Buf reply = {};
        _cleanup_fd_ int fd = connect_to(path, deadline_usec);
        int r = fd;

        if (r >= 0)
                r = check_peer(fd, uid);
        if (r >= 0)
                r = send_all(fd, message, strlen(message) + 1, deadline_usec);
        if (r >= 0)
                r = receive(fd, deadline_usec, &reply);
        if (r < 0)
                return r;
        *ret = buf_take(&reply);
        return 0;
}
