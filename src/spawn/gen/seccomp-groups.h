/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which system calls a machine may make: the list that people edit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spawn/seccomp-table.h"

/* Names that belong together and meet the same kind. */
typedef struct SeccompGroup {
        const char *about; /* what the calls have in common; for people */
        SeccompKind kind;
        const char *names; /* separated by blanks; an architecture may lack some */
} SeccompGroup;

/* A call that the libseccomp of the building machine may be too old to know. */
typedef struct SeccompCall {
        const char *name;
        int number;
        const char *cpu; /* only on this one, in meson's words; NULL = the same number everywhere */
} SeccompCall;

/* A set as users name it. */
typedef struct SeccompSetRow {
        const char *name;    /* "@clock" */
        const char *members; /* separated by blanks; calls and sets */
} SeccompSetRow;

extern const SeccompSetRow seccomp_set_rows[];
extern const size_t seccomp_n_set_rows;
extern const SeccompGroup seccomp_groups[];
extern const size_t seccomp_n_groups;
extern const SeccompCall seccomp_new_calls[];
extern const size_t seccomp_n_new_calls;

/** seccomp_group_kind() - kind of a call by its name
 * Return: the kind of the group that has it; SECCOMP_KIND_DENIED if none has. */
SeccompKind seccomp_group_kind(const char *name);
