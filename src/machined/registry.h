/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All machines, found by name, by unit and by leader. Knows nothing of the bus and of files. */
#pragma once

#include "base/map.h"
#include "machined/machine.h"

typedef struct Registry {
        Map by_name;
        Map by_unit;   /* machines that own their unit */
        Map by_leader; /* PID of the leader; ".host" is not in it, its leader is everybody's */
        Machine *first, *last;
        size_t n;
} Registry;

/** registry_done() - free all machines */
void registry_done(Registry *r);
/** registry_add() - the machine belongs to the registry from here on
 * A unit that another machine owns already is shared from now on as far as @m is concerned.
 * Return: 0; -EEXIST the name is taken, or the leader leads another machine; -ENOMEM; nothing changed
 * then. */
int registry_add(Registry *r, Machine *m);
/** registry_remove() - the machine belongs to the caller again */
void registry_remove(Registry *r, Machine *m);
/** registry_set_unit() - put a machine in a unit that is its own
 * Return: 0 or -ENOMEM. */
int registry_set_unit(Registry *r, Machine *m, const char *unit);
/** registry_disown_unit() - the unit is not the machine's own any more */
void registry_disown_unit(Registry *r, Machine *m);

/** registry_by_name() - NULL = unknown; here and below */
Machine *registry_by_name(const Registry *r, const char *name);
/** registry_by_unit() - the machine that owns a unit */
Machine *registry_by_unit(const Registry *r, const char *unit);
/** registry_by_leader() - the machine that a process leads */
Machine *registry_by_leader(const Registry *r, pid_t pid);
/** registry_by_pid() - the machine that a process belongs to
 * A leader, else the machine that owns the process's unit, else the same for the parent, and so on. */
Machine *registry_by_pid(const Registry *r, pid_t pid);
/** registry_check_name() - whether a new machine may be called so
 * Return: 0 or -EINVAL. */
int registry_check_name(const char *name, Error *e);
