/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps that the supervisor goes through while PID 1 waits for it, see run.h. */
#include "spawn/steps.h"

#include "spawn/exchange.h"
#include "spawn/journal-forward.h"
#include "spawn/network.h"
#include "spawn/network-address.h"
#include "spawn/oci-hooks.h"
#include "spawn/ports.h"
#include "spawn/register.h"

static bool has_hooks(const Spec *spec) {
        return spec->hooks && (spec->hooks->prestart.n > 0 || spec->hooks->create_runtime.n > 0 ||
                               oci_hooks_are_inside(spec->hooks));
}

static int apply_hooks(Engine *g, Error *e) {
        return oci_hooks_apply(g->spec->hooks, &g->run, e);
}

static int apply_exchange_link(Engine *g, Error *e) {
        (void) e;
        exchange_link(g->spec, &g->run);
        return 0;
}

static int apply_receiver_start(Engine *g, Error *e) {
        return journal_forward_start(g->spec, &g->run, e);
}

static int apply_network(Engine *g, Error *e) {
        return network_apply(&g->plan.network, &g->run, e);
}

static void revert_network(Engine *g) {
        network_revert(&g->plan.network, &g->run, &g->notes);
}

static int apply_addresses(Engine *g, Error *e) {
        return network_address_apply(&g->run, &g->notes, e);
}

static int apply_forwarding(Engine *g, Error *e) {
        return ports_apply(g->spec, &g->run, &g->notes, e);
}

static void revert_forwarding(Engine *g) {
        ports_revert(g->spec, &g->run);
}

static int apply_handover(Engine *g, Error *e) {
        (void) e;
        register_scope_release(&g->run);
        return 0;
}

static int apply_registration(Engine *g, Error *e) {
        int r = register_apply(g->spec, &g->run, e);

        if (r == REGISTER_WITHOUT)
                (void) buf_printf(&g->notes, "the machine is not registered: %s\n", e->text);
        return MIN(r, 0);
}

static void revert_registration(Engine *g) {
        register_revert(g->spec, &g->run);
}

static const Step steps[] = {
        { "hooks", PHASE_HOOKS, false, has_hooks, apply_hooks, NULL },

        { "exchange link", PHASE_ATTACH, false, exchange_wants, apply_exchange_link, NULL },
        { "start of the journal receiver", PHASE_ATTACH, false, journal_forward_wants,
          apply_receiver_start, NULL },
        { "network", PHASE_ATTACH, false, network_wants, apply_network, revert_network },
        { "addresses", PHASE_ATTACH, false, network_address_counts, apply_addresses, NULL },
        { "forwarding of ports", PHASE_ATTACH, false, ports_want, apply_forwarding,
          revert_forwarding },
        { "scope handover", PHASE_ATTACH, false, register_wants_scope, apply_handover, NULL },
        { "registration", PHASE_ATTACH, false, register_wants, apply_registration,
          revert_registration },
};

const StepList steps_beside = { steps, ELEMENTSOF(steps) };
