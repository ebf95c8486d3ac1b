/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an administrator wants of the unit of one machine: another template, another slice, more arguments
 * for the spawner. All of it is said to systemd in files that it knows anyway. */
#pragma once

#include "base/error.h"
#include "base/text.h"

typedef struct MachineUnit {
        const char *template;   /* "web@.service"; NULL = ours */
        const char *slice;      /* "tenant.slice"; NULL = the template's */
        char *const *arguments; /* of skep-spawn, behind those of the template */
} MachineUnit;

/** machine_unit_is_set() - whether anything is wanted at all */
bool machine_unit_is_set(const MachineUnit *u);
/** machine_unit_check() - whether systemd can be told so. Return: 0 or -EINVAL. */
int machine_unit_check(const MachineUnit *u, Error *e);
/** machine_unit_try() - whether the spawner takes the arguments for that machine; starts nothing
 * Return: 0; -EINVAL with what the spawner says; -errno. */
int machine_unit_try(const char *machine, const MachineUnit *u, Error *e);
/** machine_unit_format() - the drop-in for the unit of @machine. Return: 0 or -ENOMEM. */
int machine_unit_format(const char *machine, const MachineUnit *u, Buf *out);

/** machine_unit_instance() - "web@.service" and "db" are "web@db.service"; NULL = out of memory */
char *machine_unit_instance(const char *template, const char *machine);
/** machine_unit_write() - write the files of a machine's unit, in the place of those there were
 * @directory: where units are configured: "/etc/systemd/system"
 * @fragment:  where the file of the template lies; used if there is one
 * Return: 0 or -errno. systemd has to be reloaded. */
int machine_unit_write(const char *directory, const char *machine, const MachineUnit *u,
                       const char *fragment, Error *e);
/** machine_unit_remove() - take all of that back; what others put beside it stays
 * Return: 1 something was removed; 0 there was nothing; -errno. */
int machine_unit_remove(const char *directory, const char *machine, Error *e);

/* The templates that start a machine of the pool: ours, the one that starts on a throw-away view, and
 * systemd's, whose name may be that of one of ours. Ends with NULL. */
#define MACHINE_TEMPLATE           "skep@.service"
#define MACHINE_TEMPLATE_EPHEMERAL "skep-ephemeral@.service"
extern const char *const machine_templates[];
