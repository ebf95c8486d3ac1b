/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces that a machine is to have, with names and addresses. Pure: the same machine on the same
 * host always gets the same ones. */
#pragma once

#include "net/link.h"
#include "spawn/spec.h"

typedef enum NetworkKind {
        NETWORK_VETH,  /* a pair, one end on the host, one inside */
        NETWORK_EXTRA, /* the same, of a name of the user's choice and at no bridge */
        NETWORK_MACVLAN,
        NETWORK_IPVLAN,
        NETWORK_LENT, /* one of the host's; last, as it is the last to be missed there */
        _NETWORK_KIND_MAX,
        _NETWORK_KIND_INVALID = -EINVAL,
} NetworkKind;

/* One interface of the machine, and what it is to the host. */
typedef struct NetworkLink {
        NetworkKind kind;
        char host[LINK_ALTNAME_MAX]; /* our end on the host, or what it is made on there */
        char host_altname
                [LINK_ALTNAME_MAX]; /* the whole name, where it had to be cut; "" = it had not */
        char inside[IFNAMSIZ];      /* "" = as it is called on the host */
        char inside_altname[LINK_ALTNAME_MAX];
        uint8_t host_mac[LINK_MAC_SIZE], inside_mac[LINK_MAC_SIZE]; /* where there is such an end */
} NetworkLink;

typedef struct NetworkPlan {
        NetworkLink *links; /* in the order in which they are made */
        size_t n;
        char bridge[LINK_ALTNAME_MAX]; /* that NETWORK_VETH is a port of; "" = of none */
        bool in_zone;                  /* and that is ours to make */
        uint8_t bridge_mac[LINK_MAC_SIZE];
} NetworkPlan;

/** network_is_pair() - whether one end of it is on the host */
static inline bool network_is_pair(NetworkKind k) {
        return k == NETWORK_VETH || k == NETWORK_EXTRA;
}

/** network_plan() - what the machine gets; nothing if that is not network_spec_has_links()
 * @host_id:  machine ID of the host; null = the addresses follow from names alone
 * Return: 0; -EEXIST two would have the same name; -ENOMEM. */
int network_plan(const Spec *spec, const Id128 *host_id, NetworkPlan *ret, Error *e);
/** network_plan_done() - free it */
void network_plan_done(NetworkPlan *p);
/** network_plan_format() - for --dry-run, one line each. Return: 0 or -ENOMEM. */
int network_plan_format(const NetworkPlan *p, Buf *out);

/** network_zone_mac() - MAC address of a zone's bridge */
void network_zone_mac(const char *bridge, const Id128 *host_id, uint8_t ret[static LINK_MAC_SIZE]);

/** network_host_id() - machine ID of the host; null if it has none */
Id128 network_host_id(void);
