/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a Spec is about the network. Pure data. */
#pragma once

#include "base/macro.h"

typedef struct NetworkSpec {
        bool private; /* a namespace of its own; also on when any of the following is */
        bool veth;
} NetworkSpec;

/** network_spec_has_links() - whether the machine gets interfaces besides loopback */
static inline bool network_spec_has_links(const NetworkSpec *n) {
        return n->veth;
}
