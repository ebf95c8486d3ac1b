/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of settings about the network. As in spec-parse.c, one value is read at a time and nothing is looked
 * up: whether the host has such an interface is seen when the machine starts. */
#include "spawn/spec-parse.h"

/* One or more, split by spaces. Nothing at all takes back what was given before, which the table does. */
static int add_pairs(const char *value, size_t host_max, NetworkPairs *p, Error *e) {
        _cleanup_strv_ char **words = NULL;
        int r = str_split(value, " \t", &words);

        if (r < 0)
                return error_oom(e);
        STRV_FOREACH(w, words)
                if (r >= 0)
                        r = network_pairs_add(p, *w, host_max, e);
        return MIN(r, 0);
}

int spec_parse_network_links(const Setting *row, const char *value, void *at, Error *e) {
        (void) row;
        return add_pairs(value, LINK_ALTNAME_MAX, at, e);
}

int spec_parse_network_extra(const Setting *row, const char *value, void *at, Error *e) {
        (void) row;
        return add_pairs(value, IFNAMSIZ, at, e);
}

int spec_parse_network_bridge(const Setting *row, const char *value, void *at, Error *e) {
        (void) row;
        if (*value && !link_name_is_valid(value, LINK_ALTNAME_MAX))
                return error_set(e, EINVAL,
                                 "'%.60s' is not the name that a network interface can have",
                                 value);
        return str_replace(at, *value ? value : NULL) < 0 ? error_oom(e) : 0;
}

int spec_parse_network_zone(const Setting *row, const char *value, void *at, Error *e) {
        char name[LINK_ALTNAME_MAX];

        (void) row;
        (void) snprintf(name, sizeof name, ZONE_PREFIX "%s", value);
        if (*value && !link_name_is_valid(name, IFNAMSIZ))
                return error_set(e, EINVAL,
                                 "'%.60s' is not the name of a zone: it may have up to %zu letters,"
                                 " digits and the like",
                                 value, (size_t) IFNAMSIZ - sizeof ZONE_PREFIX);
        return str_replace(at, *value ? value : NULL) < 0 ? error_oom(e) : 0;
}

int spec_parse_network_mac(const Setting *row, const char *value, void *at, Error *e) {
        NetworkSpec *n = &spec_of(row, at)->network;
        static const uint8_t none[LINK_MAC_SIZE];
        uint8_t mac[LINK_MAC_SIZE];

        if (link_mac_parse(value, mac) < 0)
                return error_set(e, EINVAL, "'%.60s' is not a MAC address, like 02:00:00:00:00:01",
                                 value);
        if (mac[0] & 1 || memcmp(mac, none, sizeof mac) == 0)
                return error_set(e, EINVAL, "'%.60s' is not the MAC address of one interface",
                                 value);
        memcpy(n->mac, mac, sizeof mac);
        n->has_mac = true;
        return 0;
}
