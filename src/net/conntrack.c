/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forgetting connections, see conntrack.h. The kernel gives them all out; those that are meant are then removed
 * one by one. */
#include "net/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/netlink.h"

#define HEADER    sizeof(struct nfgenmsg)
#define TUPLE_MAX 128 /* two addresses, a protocol and what that has for ports */
#define FOUND_MAX 65536

typedef struct Tuple {
        uint16_t n;
        uint8_t bytes[TUPLE_MAX];
} Tuple;

typedef struct Search {
        const PortList *ports;
        int family;
        Tuple *found;
        size_t n, size;
} Search;

static const struct rtattr *find_in(const struct rtattr *nest, uint16_t type, size_t at_least) {
        const struct rtattr *a = nest ? RTA_DATA(nest) : NULL;
        size_t left = nest ? RTA_PAYLOAD(nest) : 0;

        for (; a && RTA_OK(a, left); a = RTA_NEXT(a, left))
                if ((a->rta_type & NLA_TYPE_MASK) == type)
                        return RTA_PAYLOAD(a) >= at_least ? a : NULL;
        return NULL;
}

static bool is_meant(const Search *s, const struct rtattr *tuple) {
        const struct rtattr *protocol = find_in(tuple, CTA_TUPLE_PROTO, 0);
        const struct rtattr *number = find_in(protocol, CTA_PROTO_NUM, 1);
        const struct rtattr *to = find_in(protocol, CTA_PROTO_DST_PORT, sizeof(uint16_t));
        uint16_t port;

        if (!number || !to || *(const uint8_t *) RTA_DATA(number) != IPPROTO_UDP)
                return false;
        memcpy(&port, RTA_DATA(to), sizeof port);
        port = ntohs(port);
        for (size_t i = 0; i < s->ports->n; i++) {
                const Port *p = s->ports->v + i;
                if (p->protocol == IPPROTO_UDP && port_has_family(p, s->family) &&
                    port >= p->host && port - p->host < p->n)
                        return true;
        }
        return false;
}

static int take(const struct nlmsghdr *h, void *data) {
        const struct rtattr *tuple = netlink_find(h, HEADER, CTA_TUPLE_ORIG);
        Search *s = data;

        if (!tuple || !is_meant(s, tuple) || RTA_PAYLOAD(tuple) > TUPLE_MAX || s->n == FOUND_MAX)
                return 0;
        if (s->n == s->size) {
                size_t size = MAX(2 * s->size, (size_t) 16);
                Tuple *found = reallocarray(s->found, size, sizeof *found);
                if (!found)
                        return -ENOMEM;
                s->found = found;
                s->size = size;
        }
        Tuple *t = s->found + s->n++;
        t->n = (uint16_t) RTA_PAYLOAD(tuple);
        memcpy(t->bytes, RTA_DATA(tuple), t->n);
        return 0;
}

static int forget_family(int sock, Search *s) {
        const struct nfgenmsg header = { .nfgen_family = (uint8_t) s->family,
                                         .version = NFNETLINK_V0 };
        NetlinkRequest q;

        netlink_request_init(&q, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0, &header,
                             HEADER);
        int r = netlink_dump(sock, &q, HEADER, take, s);
        for (size_t i = 0; i < s->n && r >= 0; i++) {
                netlink_request_init(&q, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0,
                                     &header, HEADER);
                netlink_put(&q, CTA_TUPLE_ORIG | NLA_F_NESTED, s->found[i].bytes, s->found[i].n);
                r = netlink_call(sock, &q, NULL);
                if (r == -ENOENT) /* it has ended by itself */
                        r = 0;
        }
        return r;
}

int conntrack_forget(const PortList *ports) {
        static const int families[] = { AF_INET, AF_INET6 };
        _cleanup_fd_ int sock = -EBADF;
        bool wanted = false;
        int r = 0;

        for (size_t i = 0; i < ports->n; i++)
                wanted = wanted || ports->v[i].protocol == IPPROTO_UDP;
        if (!wanted)
                return 0;
        sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        if (sock < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(families) && r >= 0; i++) {
                Search s = { .ports = ports, .family = families[i] };
                r = forget_family(sock, &s);
                free(s.found);
        }
        return r;
}
