/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network links between host and machine, by netlink. The namespace itself is made with the machine;
 * this adds to it. */
#pragma once

#include <net/if.h>

#include "spawn/run.h"

#define NETWORK_NAME_MAX 128 /* of an alternative interface name, with NUL */

/* A veth pair to be made: `ve-NAME` on the host, `host0` inside. A plain value. */
typedef struct NetworkVeth {
        char name[IFNAMSIZ];              /* on the host, cut to what fits */
        char full_name[NETWORK_NAME_MAX]; /* the whole of it; the same as name when it fits */
        uint8_t host_mac[6], inside_mac[6];
} NetworkVeth;

/** network_wants() - whether there is anything to make outside */
static inline bool network_wants(const Spec *spec) {
        return spec->veth;
}

/** network_apply() - PHASE_ATTACH: make the links into run->netns_fd
 * A link of the same name whose maker is dead is replaced.
 * @run:  network_names and network_indices are filled
 * Return: 0 or -errno; nothing is left on failure. */
int network_apply(const Spec *spec, Run *run, Error *e);

/** network_revert() - delete what network_apply() made, as far as it is still there */
void network_revert(const Spec *spec, Run *run);

/** network_format() - the links that would be made, for --dry-run. Return: 0 or -ENOMEM. */
int network_format(const Spec *spec, Buf *out);

/** network_veth_plan() - names and addresses of a machine's pair
 * The same machine on the same host always gets the same ones.
 * @host_id: machine ID of the host; null = the addresses follow from the name alone */
void network_veth_plan(const char *machine, const Id128 *host_id, NetworkVeth *ret);

/** network_loopback_up() - bring up `lo` in the network namespace we are in. Return: 0 or -errno. */
int network_loopback_up(Error *e);
