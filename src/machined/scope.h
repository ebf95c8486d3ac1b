/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of PID 1: scopes started and stopped, units killed. Nothing here waits. */
#pragma once

#include "machined/manager.h"

/** scope_watch() - subscribe to the signals of PID 1 that matter. Return: 0 or -errno. */
int scope_watch(Manager *m, Error *e);
/** scope_start() - make "machine-NAME.scope" for the leader of a machine in the registry
 * @creation: answered when the start job has ended; on failure the machine is dropped. What it points
 * to is the machine's from here on.
 * Return: 0 or -errno; the machine is the caller's problem then, and @creation too. */
int scope_start(Manager *m, Machine *machine, const Creation *creation, Error *e);
/** scope_stop_dead() - stop the scope of a machine whose leader is gone; it is dropped with it
 * Return: 0 or -errno. */
int scope_stop_dead(Manager *m, Machine *machine);
/** scope_stop() - StopUnit() for a machine that owns its unit, answering @call with what PID 1 says.
 * Return: 0 or -errno. */
int scope_stop(Manager *m, Machine *machine, sd_bus_message *call, Error *e);
/** scope_kill() - KillUnit() for all processes of a machine that owns its unit. Return: as above. */
int scope_kill(Manager *m, Machine *machine, int signal, sd_bus_message *call, Error *e);
