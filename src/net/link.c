/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces, see link.h. */
#include "net/link.h"

#include <ctype.h>
#include <linux/if_link.h>
#include <linux/veth.h>

#include "base/text.h"

#define HEADER sizeof(struct ifinfomsg)
/* IF_OPER_DORMANT of linux/if.h, which does not go with net/if.h */
#define OPER_DORMANT 5
/* An interface with all of its statistics takes some kilobytes. */
typedef union Answer {
        struct nlmsghdr header;
        char bytes[32 * 1024];
} Answer;

/* Also not what the kernel, the host's settings or a user would take for something else: a pattern, a
 * number, "all interfaces". */
bool link_name_is_valid(const char *name, size_t max) {
        static const char *const words[] = { ".", "..", "all", "default" };
        bool digits = true;
        size_t n = strlen(name);

        if (n == 0 || n >= max)
                return false;
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) name[i];
                if (c <= ' ' || c >= 127 || strchr("/:%", c))
                        return false;
                digits = digits && isdigit(c);
        }
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(name, words[i]))
                        return false;
        return !digits;
}

static void init(NetlinkRequest *q, uint16_t type, uint16_t flags, int index, bool up) {
        const unsigned u = up ? IFF_UP : 0;
        const struct ifinfomsg header = { .ifi_index = index, .ifi_flags = u, .ifi_change = u };

        netlink_request_init(q, type, flags, &header, sizeof header);
}

static void copy_text(char *to, size_t size, const char *from) {
        (void) snprintf(to, size, "%s", from ? from : "");
}

/* IFLA_INFO_KIND within IFLA_LINKINFO. */
static void read_kind(const struct nlmsghdr *h, char kind[static LINK_KIND_MAX]) {
        const struct rtattr *info = netlink_find(h, HEADER, IFLA_LINKINFO);
        const struct rtattr *a = info ? RTA_DATA(info) : NULL;
        size_t left = info ? RTA_PAYLOAD(info) : 0;

        for (; a && RTA_OK(a, left); a = RTA_NEXT(a, left))
                if ((a->rta_type & NLA_TYPE_MASK) == IFLA_INFO_KIND)
                        (void) snprintf(kind, LINK_KIND_MAX, "%.*s", (int) RTA_PAYLOAD(a),
                                        (const char *) RTA_DATA(a));
}

static void read_link(const struct nlmsghdr *h, Link *ret) {
        const struct ifinfomsg *info = NLMSG_DATA(h);
        const struct rtattr *mac = netlink_find(h, HEADER, IFLA_ADDRESS),
                            *built_in = netlink_find(h, HEADER, IFLA_PERM_ADDRESS);
        Link l = { .index = info->ifi_index,
                   .flags = info->ifi_flags,
                   .master = (int) netlink_u32(h, HEADER, IFLA_MASTER),
                   .mtu = netlink_u32(h, HEADER, IFLA_MTU) };

        copy_text(l.name, sizeof l.name, netlink_string(h, HEADER, IFLA_IFNAME));
        copy_text(l.alias, sizeof l.alias, netlink_string(h, HEADER, IFLA_IFALIAS));
        read_kind(h, l.kind);
        if (mac && RTA_PAYLOAD(mac) == sizeof l.mac) {
                memcpy(l.mac, RTA_DATA(mac), sizeof l.mac);
                l.has_mac = true;
        }
        /* What is made on top of hardware mostly says the same. */
        if (built_in && RTA_PAYLOAD(built_in) == sizeof l.built_in && !*l.kind)
                memcpy(l.built_in, RTA_DATA(built_in), sizeof l.built_in);
        *ret = l;
}

int link_find(int sock, const char *name, Link *ret) {
        Answer answer;
        NetlinkRequest q;

        init(&q, RTM_GETLINK, 0, 0, false);
        netlink_put_string(&q, strlen(name) < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
        int r = netlink_ask(sock, &q, &answer, sizeof answer, HEADER);
        if (r == -ENODEV && strlen(name) < IFNAMSIZ) {
                init(&q, RTM_GETLINK, 0, 0, false);
                netlink_put_string(&q, IFLA_ALT_IFNAME, name);
                r = netlink_ask(sock, &q, &answer, sizeof answer, HEADER);
        }
        if (r >= 0)
                read_link(&answer.header, ret);
        return r;
}

int link_get(int sock, int index, Link *ret) {
        Answer answer;
        NetlinkRequest q;

        init(&q, RTM_GETLINK, 0, index, false);
        int r = netlink_ask(sock, &q, &answer, sizeof answer, HEADER);
        if (r >= 0)
                read_link(&answer.header, ret);
        return r;
}

int link_altnames(int sock, int index, char ***names) {
        Answer answer;
        NetlinkRequest q;

        init(&q, RTM_GETLINK, 0, index, false);
        int r = netlink_ask(sock, &q, &answer, sizeof answer, HEADER);
        if (r < 0)
                return r;
        const struct rtattr *list = netlink_find(&answer.header, HEADER, IFLA_PROP_LIST);
        const struct rtattr *a = list ? RTA_DATA(list) : NULL;
        size_t left = list ? RTA_PAYLOAD(list) : 0;
        for (; a && RTA_OK(a, left); a = RTA_NEXT(a, left)) {
                char name[LINK_ALTNAME_MAX];
                if ((a->rta_type & NLA_TYPE_MASK) != IFLA_ALT_IFNAME)
                        continue;
                (void) snprintf(name, sizeof name, "%.*s", (int) RTA_PAYLOAD(a),
                                (const char *) RTA_DATA(a));
                if (strv_append(names, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

typedef struct Hardware {
        const uint8_t *mac;
        Link found;
} Hardware;

static int is_hardware(const struct nlmsghdr *h, void *data) {
        Hardware *w = data;

        read_link(h, &w->found);
        return memcmp(w->found.built_in, w->mac, LINK_MAC_SIZE) == 0;
}

int link_find_hardware(int sock, const uint8_t mac[static LINK_MAC_SIZE], Link *ret) {
        Hardware w = { .mac = mac };
        NetlinkRequest q;

        init(&q, RTM_GETLINK, 0, 0, false);
        int r = netlink_dump(sock, &q, HEADER, is_hardware, &w);
        if (r <= 0)
                return r < 0 ? r : -ENODEV;
        *ret = w.found;
        return 0;
}

typedef struct Ports {
        int master;
        Link *v;
        size_t n;
} Ports;

static int add_port(const struct nlmsghdr *h, void *data) {
        Ports *p = data;
        Link l;

        read_link(h, &l);
        if (l.master != p->master)
                return 0;
        Link *v = reallocarray(p->v, p->n + 1, sizeof *v);
        if (!v)
                return -ENOMEM;
        p->v = v;
        p->v[p->n++] = l;
        return 0;
}

int link_ports(int sock, int index, Link **ret, size_t *ret_n) {
        Ports p = { .master = index };
        NetlinkRequest q;

        init(&q, RTM_GETLINK, 0, 0, false);
        netlink_put_u32(&q, IFLA_MASTER, (uint32_t) index); /* for kernels that choose themselves */
        int r = netlink_dump(sock, &q, HEADER, add_port, &p);
        if (r < 0) {
                free(p.v);
                return r;
        }
        *ret = p.v;
        *ret_n = p.n;
        return 0;
}

static void put_end(NetlinkRequest *q, const LinkEnd *end) {
        if (end->name)
                netlink_put_string(q, IFLA_IFNAME, end->name);
        if (end->mac)
                netlink_put(q, IFLA_ADDRESS, end->mac, LINK_MAC_SIZE);
        if (end->netns_fd >= 0)
                netlink_put_u32(q, IFLA_NET_NS_FD, (uint32_t) end->netns_fd);
}

static void put_veth(NetlinkRequest *q, const LinkEnd *peer) {
        size_t at = netlink_nest(q, VETH_INFO_PEER);

        netlink_put_header(q, NULL, HEADER);
        put_end(q, peer);
        netlink_unnest(q, at);
}

int link_create(int sock, const LinkRequest *l, Error *e) {
        NetlinkRequest q;

        init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, l->up);
        put_end(&q, &l->end);
        if (l->alias)
                netlink_put_string(&q, IFLA_IFALIAS, l->alias);
        if (l->below != 0)
                netlink_put_u32(&q, IFLA_LINK, (uint32_t) l->below);
        if (l->master != 0)
                netlink_put_u32(&q, IFLA_MASTER, (uint32_t) l->master);
        if (l->dormant)
                netlink_put(&q, IFLA_OPERSTATE, &(const uint8_t){ OPER_DORMANT }, 1);

        size_t info = netlink_nest(&q, IFLA_LINKINFO);
        netlink_put_string(&q, IFLA_INFO_KIND, l->kind);
        size_t data = netlink_nest(&q, IFLA_INFO_DATA);
        if (streq(l->kind, "veth"))
                put_veth(&q, &l->peer);
        else if (streq(l->kind, "macvlan"))
                netlink_put_u32(&q, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
        else if (streq(l->kind, "ipvlan")) {
                const uint16_t mode = IPVLAN_MODE_L2;
                netlink_put(&q, IFLA_IPVLAN_MODE, &mode, sizeof mode);
        }
        netlink_unnest(&q, data);
        netlink_unnest(&q, info);
        return netlink_call(sock, &q, e);
}

int link_remove(int sock, int index, Error *e) {
        NetlinkRequest q;

        init(&q, RTM_DELLINK, 0, index, false);
        int r = netlink_call(sock, &q, e);
        if (r != -ENODEV)
                return r;
        if (e)
                *e = (Error){};
        return 0;
}

int link_set(int sock, int index, const char *name, const char *alias, bool up, Error *e) {
        NetlinkRequest q;

        init(&q, RTM_SETLINK, 0, index, up);
        if (name)
                netlink_put_string(&q, IFLA_IFNAME, name);
        if (alias)
                netlink_put_string(&q, IFLA_IFALIAS, alias);
        return netlink_call(sock, &q, e);
}

int link_set_master(int sock, int index, int master, Error *e) {
        NetlinkRequest q;

        init(&q, RTM_SETLINK, 0, index, false);
        netlink_put_u32(&q, IFLA_MASTER, (uint32_t) master);
        return netlink_call(sock, &q, e);
}

static int change_altname(int sock, uint16_t type, uint16_t flags, int index, const char *name,
                          Error *e) {
        NetlinkRequest q;

        init(&q, type, flags, index, false);
        size_t list = netlink_nest(&q, IFLA_PROP_LIST | NLA_F_NESTED);
        netlink_put_string(&q, IFLA_ALT_IFNAME, name);
        netlink_unnest(&q, list);
        return netlink_call(sock, &q, e);
}

int link_add_altname(int sock, int index, const char *name, Error *e) {
        return change_altname(sock, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND,
                              index, name, e);
}

int link_remove_altname(int sock, int index, const char *name, Error *e) {
        return change_altname(sock, RTM_DELLINKPROP, 0, index, name, e);
}

static int restore_one(int sock, int index, uint16_t type, const void *data, size_t n) {
        NetlinkRequest q;

        init(&q, RTM_SETLINK, 0, index, false);
        netlink_put(&q, type, data, n);
        return netlink_call(sock, &q, NULL);
}

/* Each by itself: what one kind of interface does not take is not to keep it from the rest. */
int link_restore(int sock, int index, const Link *as) {
        const unsigned flags = IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP;
        const struct ifinfomsg header = { .ifi_index = index,
                                          .ifi_flags = as->flags & flags,
                                          .ifi_change = IFF_UP | flags };
        NetlinkRequest q;
        Link now;
        int r = link_get(sock, index, &now);

        if (r < 0)
                return r;
        netlink_request_init(&q, RTM_SETLINK, 0, &header, sizeof header);
        r = netlink_call(sock, &q, NULL);
        if (!streq(now.alias, as->alias))
                r = MIN(r, restore_one(sock, index, IFLA_IFALIAS, as->alias, strlen(as->alias)));
        if (now.mtu != as->mtu)
                r = MIN(r, restore_one(sock, index, IFLA_MTU, &as->mtu, sizeof as->mtu));
        if (as->has_mac && memcmp(now.mac, as->mac, sizeof now.mac) != 0)
                r = MIN(r, restore_one(sock, index, IFLA_ADDRESS, as->mac, sizeof as->mac));
        return r;
}

/* The kernel looks at the name first to get the interface there if its own is taken, then to call it so. */
int link_move(int sock, int index, int netns_fd, const char *name, Error *e) {
        NetlinkRequest q;

        init(&q, RTM_SETLINK, 0, index, false);
        netlink_put_string(&q, IFLA_IFNAME, name);
        netlink_put_u32(&q, IFLA_NET_NS_FD, (uint32_t) netns_fd);
        return netlink_call(sock, &q, e);
}

int link_mac_parse(const char *text, uint8_t ret[static LINK_MAC_SIZE]) {
        uint8_t mac[LINK_MAC_SIZE];

        if (strlen(text) != 3 * LINK_MAC_SIZE - 1)
                return -EINVAL;
        for (size_t i = 0; i < LINK_MAC_SIZE; i++) {
                const char *at = text + 3 * i;
                char digits[] = { at[0], at[1], '\0' };

                if (!isxdigit((unsigned char) at[0]) || !isxdigit((unsigned char) at[1]) ||
                    at[2] != (i + 1 < LINK_MAC_SIZE ? ':' : '\0') ||
                    sscanf(digits, "%2hhx", mac + i) != 1)
                        return -EINVAL;
        }
        memcpy(ret, mac, sizeof mac);
        return 0;
}

char *link_mac_format(const uint8_t mac[static LINK_MAC_SIZE], char ret[static LINK_MAC_TEXT_MAX]) {
        (void) snprintf(ret, LINK_MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                        mac[2], mac[3], mac[4], mac[5]);
        return ret;
}
