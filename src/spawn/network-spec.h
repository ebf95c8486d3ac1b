/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a Spec is about the network: interfaces by name, as they were asked for. Pure data. */
#pragma once

#include "net/link.h"

/* HOST[:INSIDE] of an option. */
typedef struct NetworkPair {
        char *host;
        char *inside; /* NULL = what the option has for that */
} NetworkPair;

typedef struct NetworkPairs {
        NetworkPair *v;
        size_t n;
} NetworkPairs;

typedef struct NetworkSpec {
        bool private; /* a namespace of its own; also on when any of the following is */
        bool veth;    /* also on with a bridge or a zone */
        char *bridge; /* that the link becomes a port of; NULL = none */
        char *zone;   /* the same, of a bridge that is ours to make; without its prefix */
        bool has_mac;
        uint8_t mac[LINK_MAC_SIZE]; /* of the link, inside */
        NetworkPairs veth_extra;
        NetworkPairs interfaces; /* of the host, lent to the machine */
        NetworkPairs macvlan, ipvlan;
        char *namespace_path; /* somebody else's; NULL = one of our own, if any */
} NetworkSpec;

#define ZONE_PREFIX "vz-"

/** network_spec_done() - free it */
void network_spec_done(NetworkSpec *n);
/** network_pairs_add() - append HOST[:INSIDE]
 * @host_max:  so long, with NUL, may HOST be
 * Return: 0; -EINVAL one of the names is not valid; -ENOMEM. */
int network_pairs_add(NetworkPairs *p, const char *text, size_t host_max, Error *e);

/** network_spec_has_veth() - whether there is a link between host and machine that is made by itself */
static inline bool network_spec_has_veth(const NetworkSpec *n) {
        return n->veth || n->bridge || n->zone;
}
/** network_spec_has_links() - whether the machine gets interfaces besides loopback */
static inline bool network_spec_has_links(const NetworkSpec *n) {
        return network_spec_has_veth(n) || n->veth_extra.n > 0 || n->interfaces.n > 0 ||
               n->macvlan.n > 0 || n->ipvlan.n > 0;
}
