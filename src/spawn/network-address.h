/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of a machine: claimed before it is built, told to what is in it, given to its links once those
 * are there. What another supervisor left undone is undone with the next claim. */
#pragma once

#include "spawn/network-plan.h"
#include "spawn/run.h"

/** network_address_wants() - whether the machine is given any */
static inline bool network_address_wants(const Spec *spec) {
        return spec->addresses.n > 0;
}
/** network_address_counts() - whether others are to know its name: also if it finds its addresses by itself */
static inline bool network_address_counts(const Spec *spec) {
        return network_address_wants(spec) || spec->network.bridge || spec->network.zone;
}

/** network_address_claim() - PHASE_HOST: choose the addresses and write them down
 * @run: member is filled
 * Return: 0; -EADDRINUSE with the other party in @e; -errno. */
int network_address_claim(const Spec *spec, const NetworkPlan *plan, Run *run, Error *e);
/** network_address_tell() - PHASE_BUILD: hosts file, name servers, and what a network manager inside reads
 * What cannot be told is a note. */
void network_address_tell(const Spec *spec, const Run *run);
/** network_address_apply() - PHASE_ATTACH, when the links are there: give both ends what was claimed
 * @run:   netns_fd is set
 * @notes: sentences for the user, appended
 * Return: 0 or -errno. */
int network_address_apply(Run *run, Buf *notes, Error *e);
/** network_address_restore() - for the keeper: run->address_watch_fd is readable, so somebody took an address of
 * the host's away, and it is to be there again
 * A network manager does so with what it does not know, when it sets up a link and when it starts anew. */
void network_address_restore(Run *run);
/** network_address_poll() - for the keeper: what tells that the machine's own addresses have changed; -EBADF = none, now:
 * a payload that changes them all the time is not to keep its neighbours busy */
int network_address_poll(const Run *run);
/** network_address_wait() - for the keeper: when to poll again, in so many µs; UINT64_MAX = whenever */
uint64_t network_address_wait(const Run *run);
/** network_address_see() - for the keeper: network_address_poll()'s is readable, so the addresses that the machine found
 * by itself have changed, and its neighbours are to know
 * The names of one who is given addresses stand for those. */
void network_address_see(Run *run);
/** network_address_revert() - take all of it back */
void network_address_revert(Run *run);
/** network_address_remove() - the same for a machine that does not run
 * @path: "…/NAME"; only its last component counts */
void network_address_remove(const char *path);
