/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses and routes by netlink, see route.h. What we add is static to whoever else manages the network:
 * protocol and lifetime say so. */
#include "net/route.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <sys/socket.h>

static size_t ip_size(const Ip *ip) {
        return ip_bits(ip->family) / 8;
}

static Ip ip_of(int family, const struct rtattr *a) {
        Ip ip = { .family = family };

        if (!a || RTA_PAYLOAD(a) != ip_size(&ip))
                return (Ip){};
        memcpy(ip.bytes, RTA_DATA(a), ip_size(&ip));
        return ip;
}

static int take_route(const struct nlmsghdr *m, void *data) {
        const struct rtmsg *h = NLMSG_DATA(m);
        RouteList *l = data;
        Route route = {
                .destination = { ip_of(h->rtm_family, netlink_find(m, sizeof *h, RTA_DST)),
                                 h->rtm_dst_len },
                .gateway = ip_of(h->rtm_family, netlink_find(m, sizeof *h, RTA_GATEWAY)),
                .link = (int) netlink_u32(m, sizeof *h, RTA_OIF),
        };

        if (m->nlmsg_type != RTM_NEWROUTE || h->rtm_table != RT_TABLE_MAIN ||
            h->rtm_type != RTN_UNICAST || (h->rtm_flags & RTM_F_CLONED) ||
            (h->rtm_family != AF_INET && h->rtm_family != AF_INET6))
                return 0;
        route.destination.ip.family = h->rtm_family; /* the default one names none */
        if (route.destination.length > ip_bits(h->rtm_family))
                return 0;
        Route *p = reallocarray(l->routes, l->n_routes + 1, sizeof *p);
        if (!p)
                return -ENOMEM;
        l->routes = p;
        l->routes[l->n_routes++] = route;
        return 0;
}

static int take_address(const struct nlmsghdr *m, void *data) {
        const struct ifaddrmsg *h = NLMSG_DATA(m);
        const struct rtattr *local = netlink_find(m, sizeof *h, IFA_LOCAL);
        RouteList *l = data;
        RouteAddress address = {
                .prefix = { ip_of(h->ifa_family,
                                  local ? local : netlink_find(m, sizeof *h, IFA_ADDRESS)),
                            h->ifa_prefixlen },
                .link = (int) h->ifa_index,
                .is_global = h->ifa_scope == RT_SCOPE_UNIVERSE,
        };

        if (m->nlmsg_type != RTM_NEWADDR || address.prefix.ip.family == AF_UNSPEC ||
            address.prefix.length > ip_bits(address.prefix.ip.family))
                return 0;
        RouteAddress *p = reallocarray(l->addresses, l->n_addresses + 1, sizeof *p);
        if (!p)
                return -ENOMEM;
        l->addresses = p;
        l->addresses[l->n_addresses++] = address;
        return 0;
}

int route_list_read(int sock, RouteList *ret, Error *e) {
        static const int families[] = { AF_INET, AF_INET6 };
        RouteList l = {};
        NetlinkRequest q;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(families) && r >= 0; i++) {
                struct rtmsg route = { .rtm_family = (unsigned char) families[i],
                                       .rtm_table = RT_TABLE_MAIN };
                struct ifaddrmsg address = { .ifa_family = (unsigned char) families[i] };

                netlink_request_init(&q, RTM_GETROUTE, 0, &route, sizeof route);
                r = netlink_dump(sock, &q, sizeof route, take_route, &l);
                if (r < 0)
                        break;
                netlink_request_init(&q, RTM_GETADDR, 0, &address, sizeof address);
                r = netlink_dump(sock, &q, sizeof address, take_address, &l);
        }
        if (r < 0) {
                route_list_done(&l);
                return error_set(e, r, "cannot read the addresses and routes: %m");
        }
        *ret = l;
        return 0;
}

void route_list_done(RouteList *l) {
        free(l->routes);
        free(l->addresses);
        *l = (RouteList){};
}

static void init_address(NetlinkRequest *q, uint16_t type, uint16_t flags, int link,
                         const IpPrefix *p) {
        struct ifaddrmsg h = {
                .ifa_family = (unsigned char) p->ip.family,
                .ifa_prefixlen = (unsigned char) p->length,
                .ifa_index = (unsigned) link,
        };

        netlink_request_init(q, type, flags, &h, sizeof h);
        netlink_put(q, IFA_LOCAL, p->ip.bytes, ip_size(&p->ip));
        netlink_put(q, IFA_ADDRESS, p->ip.bytes, ip_size(&p->ip));
}

int route_add_address(int sock, int link, const IpPrefix *p, Error *e) {
        NetlinkRequest q;

        init_address(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, p);
        if (p->ip.family == AF_INET6)
                netlink_put_u32(&q, IFA_FLAGS, IFA_F_NODAD);
        else if (p->length < 31) {
                IpPrefix subnet = ip_prefix_subnet(p);
                Ip last = ip_prefix_nth(&subnet, (UINT64_C(1) << (32 - p->length)) - 1);
                netlink_put(&q, IFA_BROADCAST, last.bytes, ip_size(&last));
        }
        return netlink_call(sock, &q, e);
}

int route_remove_address(int sock, int link, const IpPrefix *p, Error *e) {
        NetlinkRequest q;

        init_address(&q, RTM_DELADDR, 0, link, p);
        int r = netlink_call(sock, &q, e);
        return r == -EADDRNOTAVAIL || r == -ENODEV ? 0 : r;
}

static void init_route(NetlinkRequest *q, uint16_t type, uint16_t flags, const Route *route) {
        const IpPrefix *to = &route->destination;
        bool direct = route->gateway.family == AF_UNSPEC;
        struct rtmsg h = {
                .rtm_family = (unsigned char) to->ip.family,
                .rtm_dst_len = (unsigned char) to->length,
                .rtm_table = RT_TABLE_MAIN,
                .rtm_protocol = RTPROT_STATIC,
                .rtm_scope = direct && to->ip.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
                .rtm_type = RTN_UNICAST,
        };

        netlink_request_init(q, type, flags, &h, sizeof h);
        if (to->length > 0)
                netlink_put(q, RTA_DST, to->ip.bytes, ip_size(&to->ip));
        if (!direct)
                netlink_put(q, RTA_GATEWAY, route->gateway.bytes, ip_size(&route->gateway));
        netlink_put_u32(q, RTA_OIF, (uint32_t) route->link);
}

int route_add(int sock, const Route *route, Error *e) {
        NetlinkRequest q;

        init_route(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
        return netlink_call(sock, &q, e);
}

int route_remove(int sock, const Route *route, Error *e) {
        NetlinkRequest q;

        init_route(&q, RTM_DELROUTE, 0, route);
        int r = netlink_call(sock, &q, e);
        return r == -ESRCH || r == -ENODEV ? 0 : r;
}

/* On a host with a thousand machines, one that comes or goes is not to wake a thousand supervisors: the kernel
 * looks at the number of the interface for us. The filter reads numbers as the network writes them. */
int route_watch(int sock, int link) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELADDR), 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                         NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_index)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t) link), 0, 1),
                BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
                BPF_STMT(BPF_RET | BPF_K, 0),
        };
        const struct sock_fprog program = { ELEMENTSOF(code), code };
        const struct sockaddr_nl own = { .nl_family = AF_NETLINK,
                                         .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };

        if (setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ||
            bind(sock, (const struct sockaddr *) &own, sizeof own) < 0)
                return -errno;
        return 0;
}

void route_watch_drain(int sock) {
        char byte;

        while (recv(sock, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == EINTR ||
               errno == ENOBUFS)
                ;
}
