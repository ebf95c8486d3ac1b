/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks of an OCI bundle: programs that are run at certain points of a container's life, one after the other and
 * each to its end. They have arguments and environment exactly as the document says, the container's state on
 * stdin, and no other descriptor of ours; what one says goes into the sentence if it fails. Those that run inside right before the payload are skep-init's, which is told of them here. */
#pragma once

#include "oci/config.h"
#include "oci/state.h"
#include "spawn/run.h"

/** oci_hooks_apply() - PHASE_HOOKS: run prestart and createRuntime hooks, and hand PID 1 what its own are told
 * @run: oci_state tells of the container, PID and all
 * Return: 0; -ECHILD a hook failed; -ETIMEDOUT one did not end in its time, and was killed; -errno. */
int oci_hooks_apply(const OciHooks *hooks, const Run *run, Error *e);
/** oci_hooks_apply_inside() - PHASE_ENTER: run createContainer hooks, found in the host's root
 * Return: as oci_hooks_apply(). */
int oci_hooks_apply_inside(const OciHooks *hooks, Run *run, Error *e);
/** oci_hooks_for_init() - startContainer hooks as arguments of skep-init (see init.h)
 * @socket:  where it tells of failures
 * Return: 0 or -ENOMEM. */
int oci_hooks_for_init(const OciHooks *hooks, const Run *run, int socket, char ***argv);
/** oci_hooks_explain() - make a sentence of what skep-init tells with RUN_ID_HOOK. Return: -errno. */
int oci_hooks_explain(uint64_t value, Error *e);

/** oci_hooks_run_all() - run hooks one after the other, whatever becomes of each
 * @kind:   "poststart", for messages
 * @notes:  a line for each that failed
 * Return: 0 or -ENOMEM. */
int oci_hooks_run_all(const OciHookList *hooks, const char *kind, const OciState *state,
                      OciStatus status, Buf *notes);

/** oci_hooks_are_inside() - whether there are any that PID 1 runs */
static inline bool oci_hooks_are_inside(const OciHooks *hooks) {
        return hooks->create_container.n > 0 || hooks->start_container.n > 0;
}
