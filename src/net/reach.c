/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses and ways to them, as far as sending packets to a machine takes, see reach.h. */
#include "net/reach.h"

#include <linux/if_addr.h>
#include <unistd.h>

#include "base/fd.h"

/* IFA_F_SECONDARY is the same as IFA_F_TEMPORARY: of neither kind is the one that a machine is known by. */
#define UNSETTLED (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_SECONDARY)

int reach_watch(int sock) {
        const struct sockaddr_nl own = { .nl_family = AF_NETLINK,
                                         .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };

        return bind(sock, (const struct sockaddr *) &own, sizeof own) < 0 ? -errno : 0;
}

/* What the messages say does not matter: whoever was told asks how things are now. That some got lost is
 * told as an error, and a change as well. */
bool reach_changed(int watch) {
        char byte;
        bool changed = false;

        for (;;) {
                ssize_t n = recv(watch, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC);
                if (n < 0 && errno != EINTR && errno != ENOBUFS)
                        return changed;
                changed = true;
        }
}

typedef struct Addresses {
        int family;
        Ip *v;
        size_t n, max;
} Addresses;

static int take_address(const struct nlmsghdr *h, void *data) {
        const size_t header = sizeof(struct ifaddrmsg);
        const struct ifaddrmsg *m = NLMSG_DATA(h);
        const struct rtattr *flags = netlink_find(h, header, IFA_FLAGS);
        const struct rtattr *local = netlink_find(h, header, IFA_LOCAL);
        Addresses *a = data;
        Ip ip = { .family = a->family };

        if (h->nlmsg_type != RTM_NEWADDR || m->ifa_family != a->family ||
            m->ifa_scope != RT_SCOPE_UNIVERSE || a->n == a->max)
                return 0;
        if ((flags ? netlink_u32(h, header, IFA_FLAGS) : m->ifa_flags) & UNSETTLED)
                return 0;
        if (!local) /* else the other one is that of the peer */
                local = netlink_find(h, header, IFA_ADDRESS);
        if (!local || RTA_PAYLOAD(local) != ip_bits(a->family) / 8)
                return 0;
        memcpy(ip.bytes, RTA_DATA(local), RTA_PAYLOAD(local));
        if (ip_is_host(&ip) && !ip_is_link_local(&ip))
                a->v[a->n++] = ip;
        return 0;
}

int reach_addresses(int sock, int family, Ip *ret, size_t max) {
        const struct ifaddrmsg header = { .ifa_family = (uint8_t) family };
        Addresses a = { .family = family, .v = ret, .max = max };
        NetlinkRequest q;

        netlink_request_init(&q, RTM_GETADDR, 0, &header, sizeof header);
        int r = netlink_dump(sock, &q, sizeof header, take_address, &a);
        return r < 0 ? r : (int) a.n;
}

int reach_link(int sock, const Ip *to) {
        const unsigned bits = ip_bits(to->family);
        const struct rtmsg header = { .rtm_family = (uint8_t) to->family,
                                      .rtm_dst_len = (uint8_t) bits };
        union {
                struct nlmsghdr header;
                char bytes[4096];
        } answer;
        NetlinkRequest q;

        netlink_request_init(&q, RTM_GETROUTE, 0, &header, sizeof header);
        netlink_put(&q, RTA_DST, to->bytes, bits / 8);
        int r = netlink_ask(sock, &q, &answer, sizeof answer, sizeof header);
        if (r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EACCES || r == -EINVAL || r == -EAGAIN)
                return 0;
        if (r < 0)
                return r;
        const struct rtmsg *m = NLMSG_DATA(&answer.header);
        if (answer.header.nlmsg_type != RTM_NEWROUTE || m->rtm_type != RTN_UNICAST)
                return 0;
        return (int) netlink_u32(&answer.header, sizeof header, RTA_OIF);
}
