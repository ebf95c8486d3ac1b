/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers of skep-spawn, see oci-start.h. What hooks are told belongs to the Spec, and is only lent. */
#include "spawn/oci-start.h"

#include "spawn/oci-hooks.h"

int oci_start(Engine *g, OciState *state, int *ret_status, Error *e) {
        const Spec *s = g->spec;
        int r;

        *state = (OciState){ .version = s->oci->version,
                             .id = s->machine,
                             .bundle = s->oci_bundle,
                             .rootfs = s->directory,
                             .annotations = s->oci->annotations };
        g->run.oci_state = state;
        r = engine_build(g, ret_status, e);
        if (r < 0)
                return r;
        state->pid = (JsonUnsigned){ true, (uint64_t) g->run.leader };
        r = engine_release(g, ret_status, e);
        if (r >= 0 && oci_hooks_run_all(&s->oci->hooks.poststart, "poststart", state,
                                        OCI_STATUS_RUNNING, &g->notes) < 0)
                r = error_oom(e);
        return r;
}

void oci_stop(Engine *g, OciState *state) {
        bool was_there = state->pid.set;

        engine_stop(g);
        state->pid = (JsonUnsigned){};
        if (was_there)
                (void) oci_hooks_run_all(&g->spec->oci->hooks.poststop, "poststop", state,
                                         OCI_STATUS_STOPPED, &g->notes);
}
