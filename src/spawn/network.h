/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network links between host and machine, by netlink. The namespace itself and its "lo" are made with
 * the machine; this adds to it. */
#pragma once

#include "spawn/run.h"

/** network_wants() - whether there is anything to make outside */
static inline bool network_wants(const Spec *spec) {
        return spec->veth;
}

/** network_apply() - PHASE_ATTACH: make the links into run->netns_fd
 * @run:  network_names and network_indices are filled
 * Return: 0 or -errno; nothing is left on failure. */
int network_apply(const Spec *spec, Run *run, Error *e);

/** network_revert() - delete what network_apply() made, as far as it is still there */
void network_revert(const Spec *spec, Run *run);

/** network_format() - the links that would be made, for --dry-run. Return: 0 or -ENOMEM. */
int network_format(const Spec *spec, Buf *out);
