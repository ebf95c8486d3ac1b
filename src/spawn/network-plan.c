/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and addresses of a machine's network interfaces, see network-plan.h. */
#include "spawn/network-plan.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/siphash.h"

#define INSIDE_NAME "host0"

/* Each role has a key of its own, so that addresses differ where names are the same. */
static const uint8_t key_name[16] = "skep ifname 001", key_host[16] = "skep mac host 1",
                     key_inside[16] = "skep mac inside", key_extra_host[16] = "skep mac extra1",
                     key_extra_inside[16] = "skep mac extra2", key_macvlan[16] = "skep mac macvln",
                     key_bridge[16] = "skep mac bridge";

/* @part: what of @name it is for; "" = the one that there is of this role */
static void mac_of(const uint8_t key[static 16], const char *name, const char *part,
                   const Id128 *id, uint8_t ret[static LINK_MAC_SIZE]) {
        char text[sizeof *id + 2 * LINK_ALTNAME_MAX];
        size_t n = strnlen(name, LINK_ALTNAME_MAX - 1), m = strnlen(part, LINK_ALTNAME_MAX);

        memcpy(text, id, sizeof *id);
        memcpy(text + sizeof *id, name, n);
        if (m > 0) {
                text[sizeof *id + n++] = '\0';
                memcpy(text + sizeof *id + n, part, m);
        }
        uint64_t h = siphash24(text, sizeof *id + n + m, key);
        for (size_t i = 0; i < LINK_MAC_SIZE; i++)
                ret[i] = (uint8_t) (h >> (8 * i));
        ret[0] = (uint8_t) ((ret[0] & 0xfe) | 0x02); /* one station, locally administered */
}

/* A name that the kernel takes, of at most IFNAMSIZ, and the whole of it where it had to be cut. */
static void name_of(const char *prefix, const char *rest, char *name,
                    char altname[static LINK_ALTNAME_MAX]) {
        static const char
                digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const size_t kept = IFNAMSIZ - 1 - 4;
        char whole[LINK_ALTNAME_MAX];

        (void) snprintf(whole, sizeof whole, "%s%s", prefix, rest);
        size_t n = strlen(whole);
        if (n < IFNAMSIZ) {
                memcpy(name, whole, n + 1);
                altname[0] = '\0';
                return;
        }
        uint64_t h = siphash24(whole, n, key_name);
        memcpy(name, whole, kept);
        for (size_t i = 0; i < 4; i++)
                name[kept + i] = digits[h >> (6 * i) & 63];
        name[IFNAMSIZ - 1] = '\0';
        memcpy(altname, whole, n + 1);
}

static NetworkLink *add(NetworkPlan *p, NetworkKind kind) {
        NetworkLink *v = reallocarray(p->links, p->n + 1, sizeof *v);

        if (!v)
                return NULL;
        p->links = v;
        v[p->n] = (NetworkLink){ .kind = kind };
        return v + p->n++;
}

static void copy_name(char *to, size_t size, const char *from) {
        (void) snprintf(to, size, "%s", from);
}

static int plan_veth(const Spec *spec, const Id128 *id, NetworkPlan *p) {
        const NetworkSpec *n = &spec->network;
        NetworkLink *l = add(p, NETWORK_VETH);

        if (!l)
                return -ENOMEM;
        name_of(n->bridge || n->zone ? "vb-" : "ve-", spec->machine, l->host, l->host_altname);
        copy_name(l->inside, sizeof l->inside, INSIDE_NAME);
        mac_of(key_host, spec->machine, "", id, l->host_mac);
        if (n->has_mac)
                memcpy(l->inside_mac, n->mac, sizeof l->inside_mac);
        else
                mac_of(key_inside, spec->machine, "", id, l->inside_mac);

        p->in_zone = n->zone;
        if (n->zone) {
                (void) snprintf(p->bridge, sizeof p->bridge, ZONE_PREFIX "%s", n->zone);
                network_zone_mac(p->bridge, id, p->bridge_mac);
        } else if (n->bridge)
                copy_name(p->bridge, sizeof p->bridge, n->bridge);
        return 0;
}

/* The addresses follow from the names, and stay when one is added before. */
static int plan_extra(const Spec *spec, const NetworkPair *pair, const Id128 *id, NetworkPlan *p) {
        NetworkLink *l = add(p, NETWORK_EXTRA);

        if (!l)
                return -ENOMEM;
        copy_name(l->host, sizeof l->host, pair->host);
        copy_name(l->inside, sizeof l->inside, pair->inside ? pair->inside : pair->host);
        mac_of(key_extra_host, spec->machine, l->host, id, l->host_mac);
        mac_of(key_extra_inside, spec->machine, l->host, id, l->inside_mac);
        return 0;
}

static int plan_on_top(const Spec *spec, NetworkKind kind, const NetworkPair *pair, const Id128 *id,
                       NetworkPlan *p) {
        NetworkLink *l = add(p, kind);

        if (!l)
                return -ENOMEM;
        copy_name(l->host, sizeof l->host, pair->host);
        if (pair->inside)
                copy_name(l->inside, sizeof l->inside, pair->inside);
        else
                name_of(kind == NETWORK_MACVLAN ? "mv-" : "iv-", pair->host, l->inside,
                        l->inside_altname);
        if (kind == NETWORK_MACVLAN)
                mac_of(key_macvlan, spec->machine, l->inside, id, l->inside_mac);
        return 0;
}

static int plan_lent(const NetworkPair *pair, NetworkPlan *p) {
        NetworkLink *l = add(p, NETWORK_LENT);

        if (!l)
                return -ENOMEM;
        copy_name(l->host, sizeof l->host, pair->host);
        copy_name(l->inside, sizeof l->inside, strempty(pair->inside));
        return 0;
}

static int plan_links(const Spec *spec, const Id128 *id, NetworkPlan *p) {
        const NetworkSpec *n = &spec->network;
        int r = network_spec_has_veth(n) ? plan_veth(spec, id, p) : 0;

        for (size_t i = 0; i < n->veth_extra.n && r >= 0; i++)
                r = plan_extra(spec, n->veth_extra.v + i, id, p);
        for (size_t i = 0; i < n->macvlan.n && r >= 0; i++)
                r = plan_on_top(spec, NETWORK_MACVLAN, n->macvlan.v + i, id, p);
        for (size_t i = 0; i < n->ipvlan.n && r >= 0; i++)
                r = plan_on_top(spec, NETWORK_IPVLAN, n->ipvlan.v + i, id, p);
        for (size_t i = 0; i < n->interfaces.n && r >= 0; i++)
                r = plan_lent(n->interfaces.v + i, p);
        return r;
}

static const char *name_inside(const NetworkLink *l) {
        return *l->inside ? l->inside : l->host;
}

static bool is_alone(NetworkKind k) {
        return network_is_pair(k) || k == NETWORK_LENT;
}

static bool meet(const NetworkLink *a, const NetworkLink *b) {
        return streq(name_inside(a), name_inside(b)) ||
               (is_alone(a->kind) && is_alone(b->kind) && streq(a->host, b->host));
}

static int check_names(const NetworkPlan *p, Error *e) {
        for (size_t i = 0; i < p->n; i++)
                for (size_t j = 0; j < i; j++)
                        if (meet(p->links + i, p->links + j))
                                return error_set(e, EEXIST,
                                                 "two network interfaces of the machine have the"
                                                 " same name: %s (%s) and %s (%s)",
                                                 p->links[j].host, name_inside(p->links + j),
                                                 p->links[i].host, name_inside(p->links + i));
        return 0;
}

int network_plan(const Spec *spec, const Id128 *host_id, NetworkPlan *ret, Error *e) {
        NetworkPlan p = {};
        int r = plan_links(spec, host_id, &p);

        r = r < 0 ? error_oom(e) : check_names(&p, e);
        if (r < 0) {
                network_plan_done(&p);
                return r;
        }
        *ret = p;
        return 0;
}

void network_plan_done(NetworkPlan *p) {
        free(p->links);
        *p = (NetworkPlan){};
}

static int format_mac(const uint8_t mac[static LINK_MAC_SIZE], Buf *out) {
        char text[LINK_MAC_TEXT_MAX];

        return buf_printf(out, " %s", link_mac_format(mac, text));
}

static int format_pair(const NetworkPlan *p, const NetworkLink *l, Buf *out) {
        if (buf_printf(out, "  veth %s", l->host) < 0 || format_mac(l->host_mac, out) < 0 ||
            (*l->host_altname && buf_printf(out, " altname %s", l->host_altname) < 0) ||
            buf_printf(out, " peer %s", l->inside) < 0 || format_mac(l->inside_mac, out) < 0)
                return -ENOMEM;
        if (l->kind == NETWORK_VETH && *p->bridge && buf_printf(out, " bridge %s", p->bridge) < 0)
                return -ENOMEM;
        if (l->kind == NETWORK_VETH && p->in_zone && format_mac(p->bridge_mac, out) < 0)
                return -ENOMEM;
        return buf_puts(out, "\n");
}

static int format_on_top(const NetworkLink *l, Buf *out) {
        bool has_mac = l->kind == NETWORK_MACVLAN;

        if (buf_printf(out, "  %s %s", has_mac ? "macvlan" : "ipvlan", l->inside) < 0 ||
            (has_mac && format_mac(l->inside_mac, out) < 0) ||
            (*l->inside_altname && buf_printf(out, " altname %s", l->inside_altname) < 0))
                return -ENOMEM;
        return buf_printf(out, " on %s\n", l->host);
}

static int format_lent(const NetworkLink *l, Buf *out) {
        return *l->inside ? buf_printf(out, "  interface %s as %s\n", l->host, l->inside)
                          : buf_printf(out, "  interface %s\n", l->host);
}

int network_plan_format(const NetworkPlan *p, Buf *out) {
        int r = 0;

        for (size_t i = 0; i < p->n && r >= 0; i++) {
                const NetworkLink *l = p->links + i;
                r = network_is_pair(l->kind)  ? format_pair(p, l, out)
                    : l->kind == NETWORK_LENT ? format_lent(l, out)
                                              : format_on_top(l, out);
        }
        return r;
}

Id128 network_host_id(void) {
        _cleanup_free_ char *line = NULL;
        Id128 id = {};

        if (file_read_line(AT_FDCWD, "/etc/machine-id", &line) < 0 || id128_parse(line, &id) < 0)
                return (Id128){};
        return id;
}

void network_zone_mac(const char *bridge, const Id128 *host_id, uint8_t ret[static LINK_MAC_SIZE]) {
        mac_of(key_bridge, bridge, "", host_id, ret);
}
