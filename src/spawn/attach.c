/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keeper's side of lending its console, see attach.h. */
#include "spawn/attach.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/path.h"
#include "spawn/runtime.h"

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;

        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        int r = path_mkdirs(ATTACH_DIR, 0700);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) unlink(path); /* of a dead one: the name is locked by us */
        if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 8) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int attach_listen(Attach *a, const char *machine, Run *run) {
        _cleanup_free_ char *path = path_join(ATTACH_DIR, machine);

        if (a->listen_fd >= 0)
                return 0;
        if (!path)
                return -ENOMEM;
        int r = runtime_note(run, RUNTIME_NOTE_ATTACH, path, NULL);
        if (r >= 0)
                r = a->listen_fd = listen_at(path);
        return MIN(r, 0);
}

static void refuse(int sock, int code, const char *text) {
        Error e = {};

        (void) error_set(&e, code, "%s", text);
        (void) handshake_send_error(sock, &e);
}

int attach_accept(Attach *a, int console_fd, const char *busy) {
        _cleanup_fd_ int sock = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct ucred who = { .uid = UINT32_MAX };
        socklen_t n = sizeof who;
        char text[128];

        if (sock < 0 || getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0 || who.uid != 0)
                return 0;
        if (!busy && a->holder_fd >= 0) {
                (void) snprintf(text, sizeof text, "process %d is at the console", a->holder);
                busy = text;
        }
        if (busy || console_fd < 0) {
                refuse(sock, busy ? EBUSY : ENOTTY, busy ? busy : "the machine has no console");
                return 0;
        }
        if (handshake_send_fd(sock, 0, console_fd) < 0)
                return 0;
        a->holder_fd = TAKE_FD(sock);
        a->holder = who.pid;
        return 1;
}

void attach_end(Attach *a, const char *machine, int front_fd, int status) {
        _cleanup_free_ char *path = a->listen_fd >= 0 ? path_join(ATTACH_DIR, machine) : NULL;

        if (a->holder_fd >= 0)
                (void) handshake_send_id(a->holder_fd, 0, (uint64_t) (int64_t) status);
        a->holder_fd = a->holder_fd == front_fd ? -EBADF : fd_close(a->holder_fd);
        if (path)
                (void) unlink(path);
        a->listen_fd = fd_close(a->listen_fd);
}

void attach_remove(const char *path) {
        if (path_is_below(path, ATTACH_DIR))
                (void) unlink(path);
}
