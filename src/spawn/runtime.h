/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /run/skep/NAME: there is one for each machine that runs, locked by its supervisor. One that nobody
 * locks is what a killed supervisor left, and says what else it left. */
#pragma once

#include "spawn/run.h"

/** runtime_apply() - PHASE_HOST, once: make and lock the directory of this machine
 * What a dead supervisor of the same name left is swept first.
 * Return: 0; -EBUSY when the machine is running; -errno. */
int runtime_apply(const Spec *spec, Run *run, Error *e);

/** runtime_note_cgroup() - write down which control group is to be removed if we cannot */
int runtime_note_cgroup(Run *run, Error *e);

/** runtime_revert() - remove the directory and unlock it */
void runtime_revert(Run *run);

/** runtime_sweep() - remove what dead supervisors of other machines left
 * Looks at a few directories only, so that its cost does not grow with what runs. */
void runtime_sweep(void);
