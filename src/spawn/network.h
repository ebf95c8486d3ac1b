/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the network interfaces of a machine and takes them back. The namespace itself is made with the
 * machine; this adds to it. */
#pragma once

#include "spawn/network-plan.h"
#include "spawn/run.h"

/* What was made of one link of the plan. */
typedef struct NetworkMade {
        int host; /* index of the end on the host; 0 = there is none */
        int inside; /* in the machine's namespace, of what does not go with an end on the host; 0 = none */
} NetworkMade;

/** network_wants() - whether there is anything to make outside */
static inline bool network_wants(const Spec *spec) {
        return network_spec_has_links(&spec->network);
}

/** network_is_joined() - whether the network is one that is there already */
static inline bool network_is_joined(const Spec *spec) {
        return spec->network.namespace_path;
}
/** network_join() - PHASE_BUILD: go into the namespace run->netns_fd, with the rights of the host
 * Return: 0 or -errno. */
int network_join(const Spec *spec, const Run *run, Error *e);

/** network_apply() - PHASE_ATTACH: make the links into run->netns_fd
 * A link of the same name whose maker is dead is replaced.
 * @run:  network and netns_sock are filled
 * Return: 0 or -errno; nothing is left on failure. */
int network_apply(const NetworkPlan *plan, Run *run, Error *e);
/** network_revert() - delete what network_apply() made, as far as it is still there, and bring home what was lent
 * @notes:  sentences for the user, one a line; may be NULL */
void network_revert(const NetworkPlan *plan, Run *run, Buf *notes);

/** network_loopback_up() - bring up `lo` in the network namespace we are in. Return: 0 or -errno. */
int network_loopback_up(Error *e);
