/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and addresses of a machine's network interfaces, see network-plan.h. */
#include "spawn/network-plan.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/siphash.h"

#define INSIDE_NAME "host0"

/* Each role has a key of its own, so that addresses differ where names are the same. */
static const uint8_t key_name[16] = "skep ifname 001", key_host[16] = "skep mac host 1",
                     key_inside[16] = "skep mac inside";

static void mac_of(const uint8_t key[static 16], const char *name, const Id128 *id,
                   uint8_t ret[static LINK_MAC_SIZE]) {
        char text[sizeof *id + LINK_ALTNAME_MAX];
        size_t n = strnlen(name, LINK_ALTNAME_MAX);

        memcpy(text, id, sizeof *id);
        memcpy(text + sizeof *id, name, n);
        uint64_t h = siphash24(text, sizeof *id + n, key);
        for (size_t i = 0; i < LINK_MAC_SIZE; i++)
                ret[i] = (uint8_t) (h >> (8 * i));
        ret[0] = (uint8_t) ((ret[0] & 0xfe) | 0x02); /* one station, locally administered */
}

/* A name that the kernel takes, and the whole of it where it had to be cut. */
static void name_of(const char *prefix, const char *rest, char name[static IFNAMSIZ],
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

static int plan_veth(const Spec *spec, const Id128 *host_id, NetworkPlan *p) {
        NetworkLink *l = add(p, NETWORK_VETH);

        if (!l)
                return -ENOMEM;
        name_of("ve-", spec->machine, l->host, l->host_altname);
        (void) snprintf(l->inside, sizeof l->inside, INSIDE_NAME);
        mac_of(key_host, spec->machine, host_id, l->host_mac);
        mac_of(key_inside, spec->machine, host_id, l->inside_mac);
        return 0;
}

int network_plan(const Spec *spec, const Id128 *host_id, NetworkPlan *ret, Error *e) {
        NetworkPlan p = {};

        if (spec->network.veth && plan_veth(spec, host_id, &p) < 0) {
                network_plan_done(&p);
                return error_oom(e);
        }
        *ret = p;
        return 0;
}

void network_plan_done(NetworkPlan *p) {
        free(p->links);
        *p = (NetworkPlan){};
}

static int format_mac(const uint8_t mac[static LINK_MAC_SIZE], Buf *out) {
        for (size_t i = 0; i < LINK_MAC_SIZE; i++)
                if (buf_printf(out, "%s%02x", i > 0 ? ":" : " ", mac[i]) < 0)
                        return -ENOMEM;
        return 0;
}

static int format_link(const NetworkLink *l, Buf *out) {
        if (buf_printf(out, "  veth %s", l->host) < 0 || format_mac(l->host_mac, out) < 0 ||
            (*l->host_altname && buf_printf(out, " altname %s", l->host_altname) < 0) ||
            buf_printf(out, " peer %s", l->inside) < 0 || format_mac(l->inside_mac, out) < 0)
                return -ENOMEM;
        return buf_puts(out, "\n");
}

int network_plan_format(const NetworkPlan *p, Buf *out) {
        for (size_t i = 0; i < p->n; i++)
                if (format_link(p->links + i, out) < 0)
                        return -ENOMEM;
        return 0;
}

Id128 network_host_id(void) {
        _cleanup_free_ char *line = NULL;
        Id128 id = {};

        if (file_read_line(AT_FDCWD, "/etc/machine-id", &line) < 0 || id128_parse(line, &id) < 0)
                return (Id128){};
        return id;
}
