/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses by netlink, see address.h. Which namespace is asked is the caller's choice. */
#include "machined/address.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <time.h>

typedef struct Addresses {
        Address *items;
        size_t n;
} Addresses;

static int on_attribute(const struct nlattr *attribute, void *data) {
        const struct nlattr **table = data;
        uint16_t type = mnl_attr_get_type(attribute);

        if (type <= IFA_MAX)
                table[type] = attribute;
        return MNL_CB_OK;
}

static int on_address(const struct nlmsghdr *header, void *data) {
        const struct ifaddrmsg *m = mnl_nlmsg_get_payload(header);
        const struct nlattr *attributes[IFA_MAX + 1] = {};
        Addresses *all = data;

        if (header->nlmsg_type != RTM_NEWADDR ||
            (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
                return MNL_CB_OK;
        if (mnl_attr_parse(header, sizeof *m, on_attribute, attributes) < 0)
                return MNL_CB_ERROR;

        uint32_t flags = attributes[IFA_FLAGS] ? mnl_attr_get_u32(attributes[IFA_FLAGS])
                                               : m->ifa_flags;
        const struct nlattr *value = attributes[IFA_LOCAL] ?: attributes[IFA_ADDRESS];
        Address a = { .family = m->ifa_family,
                      .ifindex = (int) m->ifa_index,
                      .scope = m->ifa_scope };
        if ((flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE)) || a.scope == RT_SCOPE_HOST ||
            a.scope == RT_SCOPE_NOWHERE || !value ||
            mnl_attr_get_payload_len(value) != address_size(&a))
                return MNL_CB_OK;
        memcpy(a.bytes, mnl_attr_get_payload(value), address_size(&a));

        Address *t = reallocarray(all->items, all->n + 1, sizeof *t);
        if (!t) {
                errno = ENOMEM;
                return MNL_CB_ERROR;
        }
        all->items = t;
        all->items[all->n++] = a;
        return MNL_CB_OK;
}

static int dump(struct mnl_socket *s, Addresses *all) {
        char buffer[32 * 1024];
        struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
        unsigned sequence = (unsigned) time(NULL);

        header->nlmsg_type = RTM_GETADDR;
        header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        header->nlmsg_seq = sequence;
        struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(header, sizeof *m);
        m->ifa_family = AF_UNSPEC;

        if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
            mnl_socket_sendto(s, header, header->nlmsg_len) < 0)
                return -errno;
        for (;;) {
                ssize_t n = mnl_socket_recvfrom(s, buffer, sizeof buffer);
                if (n < 0)
                        return -errno;
                int r = mnl_cb_run(buffer, (size_t) n, sequence, mnl_socket_get_portid(s),
                                   on_address, all);
                if (r < 0)
                        return -errno;
                if (r == MNL_CB_STOP)
                        return 0;
        }
}

static int compare(const void *x, const void *y) {
        const Address *a = x, *b = y;

        if (a->leads_out != b->leads_out)
                return a->leads_out ? -1 : 1;
        if (a->scope != b->scope)
                return a->scope < b->scope ? -1 : 1;
        if (a->family != b->family)
                return a->family == AF_INET ? -1 : 1;
        if (a->ifindex != b->ifindex)
                return a->ifindex < b->ifindex ? -1 : 1;
        return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

size_t address_order(const GuestLinks *links, Address *v, size_t n) {
        size_t kept = 0;

        for (size_t i = 0; i < n; i++) {
                const GuestLink *link = guest_links_find(links, v[i].ifindex);

                v[i].leads_out = link && link->leads_out;
                if (!link || link->leads_out || !link->is_bridge)
                        v[kept++] = v[i];
        }
        n = kept;
        if (n > 1)
                qsort(v, n, sizeof *v, compare);
        kept = 0;
        for (size_t i = 0; i < n; i++)
                if (kept == 0 || compare(v + kept - 1, v + i) != 0)
                        v[kept++] = v[i];
        return kept;
}

int address_list(const GuestLinks *links, Address **ret, size_t *ret_n, Error *e) {
        struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        Addresses all = {};

        if (!s)
                return error_set(e, errno, "cannot open a netlink socket: %m");
        int r = dump(s, &all);
        (void) mnl_socket_close(s);
        if (r < 0) {
                free(all.items);
                return error_set(e, r, "cannot list addresses: %m");
        }
        *ret = all.items;
        *ret_n = all.n > 0 ? address_order(links, all.items, all.n) : 0;
        return 0;
}
