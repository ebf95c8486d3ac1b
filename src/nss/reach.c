/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the kernel would send something, see reach.h. */
#include "nss/reach.h"

#include "net/netlink.h"

typedef union Answer {
        struct nlmsghdr header;
        char bytes[8192]; /* of a link there is much to tell */
} Answer;

int reach_link(int sock, const Ip *ip, uint32_t *ret) {
        const struct rtmsg header = {
                .rtm_family = (unsigned char) ip->family,
                .rtm_dst_len = (unsigned char) ip_bits(ip->family),
        };
        NetlinkRequest q;
        Answer answer;

        netlink_request_init(&q, RTM_GETROUTE, 0, &header, sizeof(header));
        netlink_put(&q, RTA_DST, ip->bytes, ip_bits(ip->family) / 8);
        int r = netlink_ask(sock, &q, &answer, sizeof(answer), sizeof(header));
        if (r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EACCES || r == -EINVAL ||
            r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
                return 0;
        if (r < 0)
                return r;

        const struct rtmsg *route = NLMSG_DATA(&answer.header);
        uint32_t link = netlink_u32(&answer.header, sizeof(*route), RTA_OIF);
        if (answer.header.nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST ||
            link == 0 || netlink_find(&answer.header, sizeof(*route), RTA_GATEWAY) ||
            netlink_find(&answer.header, sizeof(*route), RTA_VIA))
                return 0;
        *ret = link;
        return 1;
}

int reach_is_at(int sock, uint32_t port, uint32_t link) {
        const struct ifinfomsg header = { .ifi_index = (int) port };
        NetlinkRequest q;
        Answer answer;

        if (port == link)
                return 1;
        netlink_request_init(&q, RTM_GETLINK, 0, &header, sizeof(header));
        int r = netlink_ask(sock, &q, &answer, sizeof(answer), sizeof(header));
        if (r == -ENODEV)
                return 0;
        return r < 0 ? r
                     : answer.header.nlmsg_type == RTM_NEWLINK &&
                               netlink_u32(&answer.header, sizeof(header), IFLA_MASTER) == link;
}
