/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit and registration: a scope for the machine, its entry with machined. Both are asked for over
 * D-Bus by a short-lived child, so that no bus library stays resident. */
#pragma once

#include "spawn/run.h"

/** register_wants_scope() - whether the machine needs a scope: a systemd is PID 1 of the host and no
 * --keep-unit. Cheap. */
bool register_wants_scope(const Spec *spec);

/** register_scope() - PHASE_HOST: make the scope and tell where its control group is
 *
 * The scope is made around a placeholder child, with Delegate=, the slice, --property= and kill
 * settings. The placeholder must live until register_scope_release().
 *
 * @run:  run->cgroup is set to the group of the scope ("/machine.slice/NAME.scope"); making
 *        "payload" below and starting PID 1 in it is the engine's
 * Return: 0; -errno. With --register=auto and no bus: 0 with run->cgroup NULL, the engine then makes
 * a group of its own. */
int register_scope(const Spec *spec, Run *run, Error *e);

/** register_scope_release() - PID 1 is in the group now: let the placeholder go */
void register_scope_release(Run *run);

/** register_apply() - PHASE_ATTACH: enter the machine at machined (RegisterMachineWithNetwork)
 * @run:  leader, uuid and network_indices are set
 * Return: 0; -errno (with --register=auto a failure is 0). */
int register_apply(const Spec *spec, Run *run, Error *e);

/** register_revert() - after the end: unregister, stop the scope; never fails, says nothing */
void register_revert(const Spec *spec, Run *run);
