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
 * settings. The placeholder waits in the group "supervisor" of the scope, so that the scope's own group
 * is free to hand controllers down; it must live until register_scope_release().
 *
 * @run:  run->cgroup is set to the group of the scope ("/machine.slice/machine-NAME.scope"); making
 *        "payload" below and starting PID 1 in it is the engine's
 * Return: 0; -errno. When there is no bus, and neither --register=yes, --slice= nor --property= asks
 * for one: 0 with run->cgroup NULL, the engine then makes a group of its own. */
int register_scope(const Spec *spec, char *const *devices, Run *run, Error *e);

/** register_scope_limit() - change "NAME=VALUE" of a scope that runs. Return: 0; -ENOTCONN no bus; -errno. */
int register_scope_limit(const char *scope, char *const *properties, Error *e);

/** register_scope_release() - PID 1 is in the group now: let the placeholder go */
void register_scope_release(Run *run);

/** register_wants() - whether the machine is to be registered: not when that is left to us and there is
 * no bus. Cheap. */
bool register_wants(const Spec *spec);

/** register_apply() - PHASE_ATTACH: enter the machine at machined (RegisterMachineWithNetwork)
 * @run:  leader, uuid and network are set
 * Return: 0; REGISTER_WITHOUT (> 0) it failed and --register=auto is content with that, @e says why;
 * -errno (a name that is taken always is). */
enum { REGISTER_WITHOUT = 1 };
int register_apply(const Spec *spec, Run *run, Error *e);

/** register_revert() - after the end: unregister, stop the scope; never fails, says nothing */
void register_revert(const Spec *spec, Run *run);

/** register_stop_scope() - stop a scope that somebody else has made, and wait for that; never fails, says
 * nothing. The service manager does not always hear of a group that is gone before it has looked. */
void register_stop_scope(char *unit);

/** register_scope_name() - "machine-NAME.scope", the name escaped as unit names are; new string */
char *register_scope_name(const char *machine);
