/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what is asked for to what is had, see claim.h. Of two who want the same, the one who runs keeps it;
 * the other is told who that is. */
#include "net/claim.h"

#define LENGTH_ALONE  30 /* of a picked IPv4 subnet for one machine */
#define LENGTH_SHARED 24 /* for a zone */

static const char *link_name(int index, char name[static IFNAMSIZ]) {
        return if_indextoname((unsigned) index, name) ? name : "another interface";
}

static bool is_single(const IpPrefix *p) {
        return p->length == ip_bits(p->ip.family);
}

static int in_use(Error *e, const IpPrefix *p, const char *by) {
        char text[IP_PREFIX_TEXT_MAX];

        return error_set(e, EADDRINUSE, "%s %s", ip_prefix_format(p, text), by);
}

/* Addresses and subnets of machines that run. */
static int check_members(const ClaimFacts *f, const MemberAddress *a, Error *e) {
        char by[MEMBER_NAME_MAX + IFNAMSIZ + 64];

        for (size_t i = 0; i < f->members->n; i++)
                for (size_t j = 0; j < f->members->v[i].n; j++) {
                        const MemberAddress *other = f->members->v[i].v + j;
                        const char *name = f->members->v[i].name;

                        /* What a payload gave itself is no claim to it. */
                        if (streq(other->inside, "-"))
                                continue;
                        if (ip_equal(&other->address.ip, &a->address.ip)) {
                                (void) snprintf(by, sizeof by, "is the address of machine '%s'",
                                                name);
                                return in_use(e, &a->address, by);
                        }
                        if (ip_equal(&other->address.ip, &a->host.ip)) {
                                (void) snprintf(by, sizeof by,
                                                "cannot be the host's: machine '%s' has it", name);
                                return in_use(e, &a->host, by);
                        }
                        if (a->host.ip.family == AF_UNSPEC || other->host.ip.family == AF_UNSPEC ||
                            is_single(&a->host) || is_single(&other->host) ||
                            streq(other->link, a->link) ||
                            !ip_prefix_overlaps(&other->address, &a->address))
                                continue;
                        (void) snprintf(by, sizeof by,
                                        "lies in the subnet of machine '%s', on '%s'", name,
                                        other->link);
                        return in_use(e, &a->address, by);
                }
        return 0;
}

/* Addresses and routes of the host itself. */
static int check_host(const ClaimFacts *f, const ClaimEnd *end, const MemberAddress *a, Error *e) {
        char name[IFNAMSIZ], by[IFNAMSIZ + 96];

        for (size_t i = 0; i < f->routes->n_addresses; i++) {
                const RouteAddress *h = f->routes->addresses + i;
                if (ip_equal(&h->prefix.ip, &a->address.ip)) {
                        (void) snprintf(by, sizeof by, "is the host's own address, on '%s'",
                                        link_name(h->link, name));
                        return in_use(e, &a->address, by);
                }
                if (ip_equal(&h->prefix.ip, &a->host.ip) && h->link != end->index) {
                        (void) snprintf(by, sizeof by,
                                        "cannot be the host's on '%s': it has it on '%s'", a->link,
                                        link_name(h->link, name));
                        return in_use(e, &a->host, by);
                }
        }
        if (a->host.ip.family == AF_UNSPEC || is_single(&a->host))
                return 0;
        for (size_t i = 0; i < f->routes->n_routes; i++) {
                const Route *route = f->routes->routes + i;
                if (route->destination.length == 0 ||
                    (end->index != 0 && route->link == end->index) ||
                    !ip_prefix_overlaps(&route->destination, &a->address))
                        continue;
                (void) snprintf(by, sizeof by, "lies where the host has a route already, on '%s'",
                                link_name(route->link, name));
                return in_use(e, &a->address, by);
        }
        return 0;
}

const ClaimEnd *claim_end(const ClaimFacts *f, const Address *a, Error *e) {
        const char *name = a->link[0] ? a->link : "host0";

        if (!a->link[0] && f->n_ends == 1)
                return f->ends;
        for (size_t i = 0; i < f->n_ends; i++)
                if (streq(f->ends[i].inside, name))
                        return f->ends + i;
        if (a->link[0])
                (void) error_set(e, EINVAL, "the machine has no link '%s'", name);
        else
                (void) error_set(e, EINVAL, "the machine has %s: say which one by link=NAME",
                                 f->n_ends > 0 ? "several links and no host0" : "no link");
        return NULL;
}

/* The gateway that goes without saying: the host, as the first address but the machine's own. */
static Ip implied_gateway(const IpPrefix *p) {
        unsigned left = ip_bits(p->ip.family) - p->length;

        for (uint64_t n = left == 1 ? 0 : 1; left > 0 && n < 3; n++) {
                Ip ip = ip_prefix_nth(p, n);
                if (!ip_equal(&ip, &p->ip))
                        return ip;
        }
        return (Ip){};
}

static int claim_fixed(const ClaimFacts *f, const Address *a, const ClaimEnd *end, MemberAddress *m,
                       Error *e) {
        bool ours = end->kind == CLAIM_OURS;

        m->address = a->prefix;
        if (a->gateway_mode == ADDRESS_GATEWAY_FIXED)
                m->gateway = a->gateway;
        else if (a->gateway_mode == ADDRESS_GATEWAY_DEFAULT && ours) {
                m->gateway = implied_gateway(&a->prefix);
                if (m->gateway.family == AF_UNSPEC)
                        return error_set(e, EINVAL,
                                         "a subnet of one address needs gateway=ADDRESS or"
                                         " gateway=none");
        }
        if (ours && m->gateway.family != AF_UNSPEC && !ip_is_link_local(&m->gateway))
                m->host = (IpPrefix){ m->gateway, a->prefix.length };
        m->nat = a->nat >= 0 ? a->nat : m->host.ip.family != AF_UNSPEC;
        int r = check_members(f, m, e);
        return r < 0 ? r : check_host(f, end, m, e);
}

static int add_own(const Member *own, AllocationTaken *taken, bool single) {
        int r = 0;

        for (size_t i = 0; i < own->n && r >= 0; i++) {
                IpPrefix p = own->v[i].address;
                if (single)
                        p.length = ip_bits(p.ip.family);
                r = allocation_add(taken, &p);
        }
        return r;
}

static int add_taken(const ClaimFacts *f, const Member *own, AllocationTaken *taken) {
        int r = add_own(own, taken, false);

        for (size_t i = 0; i < f->routes->n_routes && r >= 0; i++)
                if (f->routes->routes[i].destination.length > 0)
                        r = allocation_add(taken, &f->routes->routes[i].destination);
        for (size_t i = 0; i < f->routes->n_addresses && r >= 0; i++)
                r = allocation_add(taken, &f->routes->addresses[i].prefix);
        for (size_t i = 0; i < f->members->n && r >= 0; i++)
                r = add_own(f->members->v + i, taken, false);
        return r;
}

/* Every single address, as what it is: within a subnet its prefix says nothing. */
static int add_taken_addresses(const ClaimFacts *f, const Member *own, AllocationTaken *taken) {
        int r = add_own(own, taken, true);

        for (size_t i = 0; i < f->routes->n_addresses && r >= 0; i++) {
                IpPrefix p = f->routes->addresses[i].prefix;
                p.length = ip_bits(p.ip.family);
                r = allocation_add(taken, &p);
        }
        for (size_t i = 0; i < f->members->n && r >= 0; i++)
                r = add_own(f->members->v + i, taken, true);
        return r;
}

/* The subnet that those have who share the link. Return: 1 found; 0. */
static int find_shared(const ClaimFacts *f, const ClaimEnd *end, int family, IpPrefix *ret) {
        for (size_t i = 0; i < f->members->n && end->shared; i++)
                for (size_t j = 0; j < f->members->v[i].n; j++) {
                        const MemberAddress *a = f->members->v[i].v + j;
                        if (!a->picked || a->address.ip.family != family ||
                            !streq(a->link, end->host))
                                continue;
                        *ret = ip_prefix_subnet(&a->address);
                        return 1;
                }
        return 0;
}

static int pick_subnet(const ClaimFacts *f, const Member *own, const ClaimEnd *end, int family,
                       IpPrefix *ret, Error *e) {
        _cleanup_(allocation_done) AllocationTaken taken = {};
        _cleanup_free_ char *name = end->shared ? strdup(end->host)
                                    : streq(end->inside, "host0")
                                            ? strdup(own->name)
                                            : str_format("%s %s", own->name, end->inside);

        if (!name || add_taken(f, own, &taken) < 0)
                return error_oom(e);
        int r = allocation_subnet(family, name, &f->host_id,
                                  end->shared ? LENGTH_SHARED : LENGTH_ALONE, &taken, ret);
        return r < 0 ? error_set(e, r,
                                 "no private IPv%d subnet is free on this host; give an address",
                                 family == AF_INET ? 4 : 6)
                     : 0;
}

/* The subnet of a bridge is the one of the host's address there. Return: 1 found; 0. */
static int find_bridge(const ClaimFacts *f, const ClaimEnd *end, int family, IpPrefix *subnet,
                       Ip *gateway) {
        for (size_t i = 0; i < f->routes->n_addresses; i++) {
                const RouteAddress *a = f->routes->addresses + i;
                if (end->index == 0 || a->link != end->index || !a->is_global ||
                    a->prefix.ip.family != family || ip_is_link_local(&a->prefix.ip))
                        continue;
                *subnet = ip_prefix_subnet(&a->prefix);
                *gateway = a->prefix.ip;
                return 1;
        }
        return 0;
}

/* Return: 1 picked; 0 there is nothing of that family to pick from; -errno. */
static int claim_picked(const ClaimFacts *f, const Member *own, const Address *a,
                        const ClaimEnd *end, int family, MemberAddress *m, Error *e) {
        _cleanup_(allocation_done) AllocationTaken taken = {};
        char text[IP_PREFIX_TEXT_MAX];
        IpPrefix subnet;
        Ip gateway = {};
        int r;

        if (end->kind == CLAIM_BRIDGE) {
                r = find_bridge(f, end, family, &subnet, &gateway);
                if (r == 0)
                        return 0;
        } else {
                r = find_shared(f, end, family, &subnet);
                if (r == 0)
                        r = pick_subnet(f, own, end, family, &subnet, e);
                if (r < 0)
                        return r;
                gateway = ip_prefix_nth(&subnet, 1);
                if (a->gateway_mode == ADDRESS_GATEWAY_DEFAULT)
                        m->host = (IpPrefix){ gateway, subnet.length };
        }
        if (add_taken_addresses(f, own, &taken) < 0)
                return error_oom(e);
        r = allocation_address(&subnet, own->name, &taken, &m->address);
        if (r < 0)
                return error_set(e, r, "%s has no address left", ip_prefix_format(&subnet, text));
        m->picked = true;
        if (a->gateway_mode == ADDRESS_GATEWAY_DEFAULT)
                m->gateway = gateway;
        m->nat = a->nat >= 0 ? a->nat : m->host.ip.family != AF_UNSPEC;
        return 1;
}

/* A machine has one default route of a family: that which is asked for by name, else the first. */
static void drop_second_gateway(const ClaimFacts *f, const Address *a, const Member *m,
                                MemberAddress *new) {
        bool drop = false;

        if (a->gateway_mode == ADDRESS_GATEWAY_FIXED)
                return;
        for (size_t i = 0; i < f->wanted->n; i++)
                drop |= f->wanted->v[i].gateway_mode == ADDRESS_GATEWAY_FIXED &&
                        f->wanted->v[i].gateway.family == new->address.ip.family;
        for (size_t i = 0; i < m->n; i++)
                drop |= m->v[i].gateway.family == new->address.ip.family;
        if (drop)
                new->gateway = (Ip){};
}

static int claim_one(const ClaimFacts *f, const Address *a, const ClaimEnd *end, int family,
                     Member *ret, Error *e) {
        MemberAddress m = {};
        int r;

        (void) snprintf(m.link, sizeof m.link, "%s", *end->host ? end->host : "-");
        (void) snprintf(m.inside, sizeof m.inside, "%s", end->inside);
        if (a->kind == ADDRESS_FIXED)
                r = address_has_family(a, family) ? claim_fixed(f, a, end, &m, e) : 1;
        else if (!address_list_picks(f->wanted, a, family) ||
                 (family == AF_INET6 && !f->has_ipv6 && a->kind != ADDRESS_AUTO6))
                return 0;
        else
                r = claim_picked(f, ret, a, end, family, &m, e);
        if (r < 0 || m.address.ip.family == AF_UNSPEC)
                return MIN(r, 0);
        drop_second_gateway(f, a, ret, &m);
        return member_add(ret, &m) < 0 ? error_oom(e) : 1;
}

int claim_make(const ClaimFacts *f, Member *ret, Error *e) {
        for (size_t i = 0; i < f->wanted->n; i++) {
                const Address *a = f->wanted->v + i;
                const ClaimEnd *end = claim_end(f, a, e);
                size_t before = ret->n;
                int r;

                if (!end)
                        return -EINVAL;
                if (a->kind != ADDRESS_FIXED && end->kind == CLAIM_OTHER)
                        return error_set(e, EINVAL,
                                         "no address can be picked for '%s', whose network is not"
                                         " ours to know: give one",
                                         end->inside);
                r = claim_one(f, a, end, AF_INET, ret, e);
                if (r >= 0)
                        r = claim_one(f, a, end, AF_INET6, ret, e);
                if (r < 0)
                        return r;
                if (ret->n == before && end->kind == CLAIM_BRIDGE && a->kind != ADDRESS_FIXED)
                        return error_set(e, EADDRNOTAVAIL,
                                         "bridge '%s' has no address on the host whose subnet one"
                                         " could be picked from: give one",
                                         end->host);
        }
        return 0;
}
