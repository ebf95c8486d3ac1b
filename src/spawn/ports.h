/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports of the host that lead into the machine, as long as it runs: to the first address of either family
 * that it has towards the host, whoever gave it that and whenever. */
#pragma once

#include "spawn/network-plan.h"
#include "spawn/run.h"

/** ports_want() - whether there are any */
static inline bool ports_want(const Spec *spec) {
        return spec->ports.n > 0;
}

/** port_setting() - parser of a row: PortList, appends; an empty value empties it */
int port_setting(const Setting *row, const char *value, void *at, Error *e);

/** ports_reserve() - PHASE_HOST, once: make sure that they are nobody else's, and stay so
 * Return: 0; -EADDRINUSE with @e saying who has which; -errno. */
int ports_reserve(const Spec *spec, const NetworkPlan *plan, Run *run, Buf *notes, Error *e);
/** ports_release() - the opposite */
void ports_release(const Spec *spec, Run *run);

/** ports_apply() - PHASE_ATTACH: have the packet filter send packets to the addresses that there are by now
 * Return: 0, also if there are none yet; -errno. */
int ports_apply(const Spec *spec, Run *run, Buf *notes, Error *e);
/** ports_revert() - the packet filter is as before */
void ports_revert(const Spec *spec, Run *run);
/** ports_remove() - the same for what a dead supervisor left
 * @path: of its record */
void ports_remove(const char *path);

/* For the keeper: */

/** ports_poll() - descriptor that tells when to look again; -EBADF = none, now */
int ports_poll(const Run *run);
/** ports_wait() - when to look again in any case: in so many µs; UINT64_MAX = never */
uint64_t ports_wait(const Run *run);
/** ports_step() - look, if it is time to
 * @readable: whether ports_poll()'s can be read from */
void ports_step(const Spec *spec, Run *run, bool readable);
