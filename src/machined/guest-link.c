/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interfaces of machines, see guest-link.h. What a machine says of its own ones may be made up; that the
 * host has the other end of one is asked of the host. */
#include "machined/guest-link.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "net/netlink.h"

#define HEADER    sizeof(struct ifinfomsg)
#define LINKS_MAX 4096

void guest_links_done(GuestLinks *l) {
        free(l->v);
        *l = (GuestLinks){};
}

/* The kind of an interface, as the kernel calls it; "" = none. */
static const char *link_kind(const struct nlmsghdr *h) {
        const struct rtattr *info = netlink_find(h, HEADER, IFLA_LINKINFO);

        if (!info)
                return "";
        const struct rtattr *a = RTA_DATA(info);
        for (unsigned n = RTA_PAYLOAD(info); RTA_OK(a, n); a = RTA_NEXT(a, n))
                if (a->rta_type == IFLA_INFO_KIND && RTA_PAYLOAD(a) > 0)
                        return ((const char *) RTA_DATA(a))[RTA_PAYLOAD(a) - 1] == '\0'
                                       ? RTA_DATA(a)
                                       : "";
        return "";
}

static void take_counters(const struct nlmsghdr *h, GuestLink *l) {
        const struct rtattr *a = netlink_find(h, HEADER, IFLA_STATS64);
        struct rtnl_link_stats64 stats = {};

        if (!a)
                return;
        memcpy(&stats, RTA_DATA(a), MIN(RTA_PAYLOAD(a), sizeof stats));
        l->received_bytes = stats.rx_bytes;
        l->received_packets = stats.rx_packets;
        l->sent_bytes = stats.tx_bytes;
        l->sent_packets = stats.tx_packets;
}

static int take_link(const struct nlmsghdr *h, void *data) {
        const struct ifinfomsg *header = NLMSG_DATA(h);
        GuestLinks *all = data;
        const char *kind = link_kind(h);
        GuestLink l = {
                .index = header->ifi_index,
                .link = (int) netlink_u32(h, HEADER, IFLA_LINK),
                .master = (int) netlink_u32(h, HEADER, IFLA_MASTER),
                .is_loopback = header->ifi_flags & IFF_LOOPBACK,
                .is_bridge = streq(kind, "bridge"),
                .is_plain = !*kind,
                .link_is_away = netlink_find(h, HEADER, IFLA_LINK_NETNSID),
        };

        if (h->nlmsg_type != RTM_NEWLINK || all->n >= LINKS_MAX)
                return 0;
        take_counters(h, &l);
        GuestLink *v = reallocarray(all->v, all->n + 1, sizeof *v);
        if (!v)
                return -ENOMEM;
        all->v = v;
        all->v[all->n++] = l;
        return 0;
}

static void request_init(NetlinkRequest *q, int index) {
        const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = index };

        netlink_request_init(q, RTM_GETLINK, 0, &header, sizeof header);
}

void guest_link_pairs(const int *netifs, size_t n, int *ret) {
        _cleanup_fd_ int sock = n > 0 ? netlink_open() : -EBADF;

        for (size_t i = 0; i < n; i++) {
                union {
                        struct nlmsghdr header;
                        char bytes[16 * 1024];
                } answer;
                NetlinkRequest q;

                ret[i] = 0;
                request_init(&q, netifs[i]);
                if (sock >= 0 && netlink_ask(sock, &q, &answer, sizeof answer, HEADER) >= 0 &&
                    netlink_find(&answer.header, HEADER, IFLA_LINK_NETNSID))
                        ret[i] = (int) netlink_u32(&answer.header, HEADER, IFLA_LINK);
        }
}

int guest_links_read(GuestLinks *ret) {
        _cleanup_(guest_links_done) GuestLinks all = {};
        _cleanup_fd_ int sock = netlink_open();
        NetlinkRequest q;

        if (sock < 0)
                return sock;
        request_init(&q, 0);
        int r = netlink_dump(sock, &q, HEADER, take_link, &all);
        if (r < 0)
                return r;
        *ret = all;
        all = (GuestLinks){};
        return 0;
}

static GuestLink *find(const GuestLinks *l, int index) {
        for (size_t i = 0; i < l->n; i++)
                if (l->v[i].index == index)
                        return l->v + i;
        return NULL;
}

const GuestLink *guest_links_find(const GuestLinks *l, int index) {
        return find(l, index);
}

/* What is made on top of an interface that leads out does so as well: a bridge that it is a port of, a
 * VLAN. Return: whether anything was found. */
static bool mark_above(GuestLinks *l) {
        bool found = false;

        for (size_t i = 0; i < l->n; i++) {
                GuestLink *link = l->v + i;
                GuestLink *master = link->leads_out && link->master ? find(l, link->master) : NULL;
                const GuestLink *below = !link->link_is_away && link->link ? find(l, link->link)
                                                                           : NULL;

                if (master && !master->leads_out)
                        found = master->leads_out = true;
                if (below && below->leads_out && !link->leads_out)
                        found = link->leads_out = true;
        }
        return found;
}

void guest_links_mark(GuestLinks *l, const int *pairs, const int *netifs, size_t n) {
        bool found = false;

        for (size_t i = 0; i < n; i++) {
                GuestLink *link = pairs[i] > 0 ? find(l, pairs[i]) : NULL;

                if (link && link->link_is_away && link->link == netifs[i])
                        found = link->leads_out = link->is_uplink = true;
        }
        for (size_t i = 0; i < l->n && !found; i++) {
                GuestLink *link = l->v + i;

                /* A port of a bridge may well be the end of somebody in there. */
                if (!link->is_loopback && !link->master && (link->link_is_away || link->is_plain))
                        link->leads_out = link->is_uplink = true;
        }
        while (mark_above(l))
                ;
}
