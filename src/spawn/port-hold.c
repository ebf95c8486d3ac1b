/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holds ports by sockets that are bound to them and never used, see port-hold.h: so the kernel says who comes
 * too late, and gives them back however their holder ends. To have a descriptor each would soon be too many;
 * they lie in the queue of a socket that nobody reads. */
#include "spawn/port-hold.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define PARK_MAX 128 /* descriptors in one message */

typedef struct Park {
        int in, out; /* ends of a pair; what is sent to @in stays before @out */
        int fds[PARK_MAX];
        size_t n;
} Park;

static int park_flush(Park *p) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof p->fds)];
        } control = {};
        char byte = 0;
        struct iovec data = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control };
        int r = 0;

        if (p->n == 0)
                return 0;
        m.msg_controllen = CMSG_SPACE(p->n * sizeof(int));
        control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(p->n * sizeof(int)),
                                           .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.header), p->fds, p->n * sizeof(int));
        if (sendmsg(p->in, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                r = -errno;
        while (p->n > 0)
                (void) close(p->fds[--p->n]);
        return r;
}

static int park_add(Park *p, int fd) {
        p->fds[p->n++] = fd;
        return p->n == PARK_MAX ? park_flush(p) : 0;
}

typedef union Address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
} Address;

static Address address_of(const Port *p, int family, uint16_t port) {
        Address a = { .any = { .sa_family = (sa_family_t) family } };

        if (family == AF_INET) {
                memcpy(&a.v4.sin_addr, p->address.bytes, sizeof a.v4.sin_addr);
                a.v4.sin_port = htons(port);
        } else {
                memcpy(&a.v6.sin6_addr, p->address.bytes, sizeof a.v6.sin6_addr);
                a.v6.sin6_port = htons(port);
        }
        return a;
}

/* Of stream sockets only one that listens is in the way of all others, whatever is left of connections of a
 * program that had the port before; so it does, for a moment. */
static int take(int fd, int protocol, const Address *a, socklen_t size) {
        int on = 1, off = 0;

        if (protocol == IPPROTO_UDP)
                return bind(fd, &a->any, size) < 0 ? -errno : 0;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
            bind(fd, &a->any, size) < 0 || listen(fd, 0) < 0 || shutdown(fd, SHUT_RDWR) < 0)
                return -errno;
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off) < 0 ? -errno : 0;
}

/* Return: 1 it is held by *@ret; 0 this kernel has no such sockets; -errno. */
static int hold_one(const Port *p, int family, uint16_t port, bool *ret_foreign, int *ret) {
        const bool is_udp = p->protocol == IPPROTO_UDP;
        const Address a = address_of(p, family, port);
        const socklen_t size = family == AF_INET ? sizeof a.v4 : sizeof a.v6;
        int on = 1;
        _cleanup_fd_ int fd = socket(family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
                                     p->protocol);

        if (fd < 0)
                return errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT
                               ? 0
                               : -errno;
        if (family == AF_INET6)
                (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        int r = take(fd, p->protocol, &a, size);
        if (r == -EADDRNOTAVAIL) {
                /* It may come later, as those do that are learned or that move between hosts. */
                *ret_foreign = true;
                if (setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                               family == AF_INET ? IP_FREEBIND : IPV6_FREEBIND, &on, sizeof on) < 0)
                        return -errno;
                r = take(fd, p->protocol, &a, size);
        }
        if (r < 0)
                return r;
        *ret = TAKE_FD(fd);
        return 1;
}

static int hold_value(const Port *p, int family, Park *park, size_t *left, bool *ret_foreign) {
        for (unsigned i = 0; i < p->n; i++) {
                int fd = -EBADF;
                int r = hold_one(p, family, (uint16_t) (p->host + i), ret_foreign, &fd);

                if (r < 0)
                        return r;
                if (r == 0)
                        return 0;
                if (*left == 0) {
                        (void) close(fd);
                        continue;
                }
                (*left)--;
                r = park_add(park, fd);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int hold_all(const PortList *l, Park *park, const Port **which, Buf *notes) {
        static const int families[] = { AF_INET, AF_INET6 };
        size_t left = PORT_HOLD_MAX;

        for (size_t i = 0; i < l->n; i++)
                for (size_t f = 0; f < ELEMENTSOF(families); f++) {
                        bool is_foreign = false;
                        char text[IP_TEXT_MAX];

                        *which = l->v + i;
                        if (!port_has_family(l->v + i, families[f]))
                                continue;
                        int r = hold_value(l->v + i, families[f], park, &left, &is_foreign);
                        if (r >= 0 && is_foreign)
                                r = buf_printf(notes, "'%s' is not an address of this host now\n",
                                               ip_format(&l->v[i].address, text));
                        if (r < 0)
                                return r;
                }
        return park_flush(park);
}

int port_hold(const PortList *l, int *ret, const Port **which, Buf *notes, Error *e) {
        int pair[2];

        if (l->n == 0)
                return 0;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return error_set(e, errno, "cannot create a socket: %m");
        Park park = { .in = pair[0], .out = pair[1] };
        int r = hold_all(l, &park, which, notes);
        (void) close(park.in);
        if (r < 0) {
                while (park.n > 0)
                        (void) close(park.fds[--park.n]);
                (void) close(park.out);
                return error_set(e, r, "cannot take ports of the host: %m");
        }
        *ret = park.out;
        return 0;
}
