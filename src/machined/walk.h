/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists over varlink: one reply per name, each made of what is known at once and of the answers of operations.
 * These are asked one after the other, so that a caller has one worker at a time and not a thousand. */
#pragma once

#include "machined/front.h"

typedef enum VarlinkMetadata {
        VARLINK_METADATA_UNSET,
        VARLINK_METADATA_NO,
        VARLINK_METADATA_YES,
        VARLINK_METADATA_GRACEFUL, /* what can be had */
} VarlinkMetadata;

extern const char *const varlink_metadata_names[];
extern const char varlink_image_description[];

/* An operation that is asked for each name. */
typedef struct WalkStep {
        const char *interface, *member;
        const char *
                prefix; /* of the object that is asked, with the name's label; NULL = the Manager */
        const char *argument;  /* NULL = the name */
        const char *argument2; /* NULL = none */
        int (*put)(VarlinkLink *link, const char *name, VarlinkObject *o, sd_bus_message *reply);
        int code;          /* of the failure that has a name of its own */
        const char *error; /* that name */
        bool is_basic;     /* asked without metadata, too; what fails there is not in the list */
        bool is_asked_for; /* polkit may be asked: where it is not insisted on, and not the caller's own,
                            * only if they allow questions, as every lookup of a name would ask one else */
        bool is_for_others; /* not for who is told all anyway */
} WalkStep;

typedef struct WalkKind {
        const WalkStep *steps;
        size_t n_steps;
        /* Writes what is known at once. Return: 1; 0 there is no such thing any more. */
        int (*begin)(VarlinkLink *link, VarlinkObject *o, const char *name, bool *ret_is_own);
        bool (*is_there)(VarlinkLink *link, const char *name); /* may be NULL */
        const char *none;                                      /* error when the list is empty */
} WalkKind;

/** walk_start() - answer the call with a list
 * @names: consumed in any case
 * Return: >= 0 answered, or will be; -errno with @e set. */
int walk_start(VarlinkLink *link, const WalkKind *kind, char **names, VarlinkMetadata metadata,
               bool interactive, Error *e);

/** walk_put_assignments() - a member that lists "KEY=value", from a{ss}. Return: >= 0 or -errno. */
int walk_put_assignments(VarlinkObject *o, const char *name, sd_bus_message *reply);
/** walk_put_id() - a member that is an ID of 16 bytes */
void walk_put_id(VarlinkObject *o, const char *name, const uint8_t *bytes);
