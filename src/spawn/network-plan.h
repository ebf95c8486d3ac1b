/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces that a machine is to have, with names and addresses. Pure: the same machine on the same
 * host always gets the same ones. */
#pragma once

#include "net/link.h"
#include "spawn/spec.h"

typedef enum NetworkKind {
        NETWORK_VETH, /* a pair, one end on the host, one inside */
        _NETWORK_KIND_MAX,
        _NETWORK_KIND_INVALID = -EINVAL,
} NetworkKind;

/* One interface of the machine, and what it is to the host. */
typedef struct NetworkLink {
        NetworkKind kind;
        char host[IFNAMSIZ]; /* our end on the host */
        char host_altname
                [LINK_ALTNAME_MAX]; /* the whole name, where it had to be cut; "" = it had not */
        char inside[IFNAMSIZ];
        uint8_t host_mac[LINK_MAC_SIZE], inside_mac[LINK_MAC_SIZE];
} NetworkLink;

typedef struct NetworkPlan {
        NetworkLink *links; /* in the order in which they are made */
        size_t n;
} NetworkPlan;

/** network_plan() - what the machine gets; nothing if that is not network_spec_has_links()
 * @host_id:  machine ID of the host; null = the addresses follow from names alone
 * Return: 0 or -ENOMEM. */
int network_plan(const Spec *spec, const Id128 *host_id, NetworkPlan *ret, Error *e);
/** network_plan_done() - free it */
void network_plan_done(NetworkPlan *p);
/** network_plan_format() - for --dry-run, one line each. Return: 0 or -ENOMEM. */
int network_plan_format(const NetworkPlan *p, Buf *out);

/** network_host_id() - machine ID of the host; null if it has none */
Id128 network_host_id(void);
