/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handshake socket, see handshake.h. Knows no phases by name: those belong to who uses it. */
#include "base/handshake.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

/* What goes over the wire between two processes of the same program: no need for a portable form.
 * Only an error or a note carries the text; other packets end before it. */
typedef struct Packet {
        uint32_t type;
        uint32_t number;
        uint64_t value;
        Error error;
} Packet;

#define PACKET_SHORT offsetof(Packet, error)
_Static_assert(PACKET_SHORT == sizeof(HandshakeHead), "HandshakeHead is how a Packet begins");

int handshake_pair(int ret[static 2]) {
        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0 ? -errno : 0;
}

static int send_packet(int sock, const Packet *p, size_t n, int fd) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (void *) p, .iov_len = n };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (fd >= 0) {
                control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                                   .cmsg_type = SCM_RIGHTS,
                                                   .cmsg_len = CMSG_LEN(sizeof(int)) };
                memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
                m.msg_control = &control;
                m.msg_controllen = sizeof control;
        }

        for (;;) {
                if (sendmsg(sock, &m, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

int handshake_send_phase(int sock, uint32_t phase) {
        return send_packet(sock, &(Packet){ .type = HANDSHAKE_PHASE, .number = phase },
                           PACKET_SHORT, -1);
}

int handshake_send_fd(int sock, uint32_t which, int fd) {
        return send_packet(sock, &(Packet){ .type = HANDSHAKE_FD, .number = which }, PACKET_SHORT,
                           fd);
}

int handshake_send_id(int sock, uint32_t which, uint64_t value) {
        return send_packet(sock, &(Packet){ .type = HANDSHAKE_ID, .number = which, .value = value },
                           PACKET_SHORT, -1);
}

static int send_text(int sock, HandshakeType type, const Error *error) {
        Packet p = { .type = type };

        p.error.code = error->code;
        (void) snprintf(p.error.text, sizeof p.error.text, "%s", error->text);
        return send_packet(sock, &p, sizeof p, -1);
}

int handshake_send_error(int sock, const Error *error) {
        return send_text(sock, HANDSHAKE_ERROR, error);
}

int handshake_send_note(int sock, const Error *note) {
        return send_text(sock, HANDSHAKE_NOTE, note);
}

static int received_fd(struct msghdr *m) {
        int fd = -EBADF;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
                    c->cmsg_len == CMSG_LEN(sizeof(int)))
                        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        return fd;
}

static bool packet_is_valid(const Packet *p, size_t n, int fd) {
        if (n < PACKET_SHORT || p->type >= _HANDSHAKE_TYPE_MAX)
                return false;
        if ((p->type == HANDSHAKE_FD) != (fd >= 0))
                return false;
        if (p->type == HANDSHAKE_ERROR || p->type == HANDSHAKE_NOTE)
                return n == sizeof *p && p->error.code < 0 &&
                       memchr(p->error.text, '\0', sizeof p->error.text);
        return n == PACKET_SHORT;
}

int handshake_receive(int sock, HandshakeMessage *ret) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        Packet p = {};
        struct iovec iov = { .iov_base = &p, .iov_len = sizeof p };
        struct msghdr m = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };
        bool was_reset = false;
        ssize_t n;

        /* A peer that ended without having read all resets the connection, which is told before its last words
         * are. */
        do {
                n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
                if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || was_reset)))
                        break;
                was_reset |= errno == ECONNRESET;
        } while (true);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno;
        if (n == 0)
                return 0;

        _cleanup_fd_ int fd = received_fd(&m);
        if (!packet_is_valid(&p, (size_t) n, fd) || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                return -EPROTO;

        *ret = (HandshakeMessage){ .type = (HandshakeType) p.type,
                                   .number = p.number,
                                   .value = p.value,
                                   .fd = TAKE_FD(fd),
                                   .error = p.error };
        return 1;
}

int handshake_expect(int sock, HandshakeType type, uint32_t number, int *ret_fd,
                     uint64_t *ret_value, Error *e) {
        HandshakeMessage m = { .fd = -EBADF };
        int r = handshake_receive(sock, &m);

        if (r < 0)
                return error_set(e, r, "cannot read from the other process: %m");
        if (r == 0)
                return error_set(e, EPIPE, "the other process died");

        _cleanup_fd_ int fd = m.fd;
        if (m.type == HANDSHAKE_ERROR) {
                if (e)
                        *e = m.error;
                return m.error.code;
        }
        if (m.type != type || m.number != number)
                return error_set(e, EPROTO, "the other process sent message %u/%u, not %u/%u",
                                 (unsigned) m.type, m.number, (unsigned) type, number);

        if (type == HANDSHAKE_FD)
                *ret_fd = TAKE_FD(fd);
        if (type == HANDSHAKE_ID)
                *ret_value = m.value;
        return 0;
}
