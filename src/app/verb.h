/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verbs as a table: one row per verb says its name, its arguments, what it does and who runs it. Help,
 * manual and completion come from the same rows. */
#pragma once

#include "base/error.h"

typedef enum VerbFlags {
        VERB_DEFAULT = 1 << 0, /* what runs when no verb is given */
        VERB_HIDDEN = 1 << 1,  /* works, but is not shown */
} VerbFlags;

#define VERB_ANY UINT_MAX

typedef struct Verb {
        const char *name;
        const char *alias; /* another name for the same; NULL = none */
        const char *args;  /* "NAME…", as shown in the help; NULL = none */
        const char *group; /* heading in the help; NULL = that of the row before */
        const char *help;  /* a short phrase, no dot at the end */
        const char *
                complete; /* what completes the arguments: "machines", "images", "transfers", "files" or
                               * words split by spaces; one per argument, separated by '|', the last
                               * one for all that follow; NULL = nothing */
        const char
                *options; /* flags of the options that mean something to this verb, split by spaces;
                              * those of all verbs are in no row. NULL = none */
        unsigned min, max; /* how many arguments; VERB_ANY = no upper bound */
        VerbFlags flags;
        /* @args: the arguments after the verb, NULL-terminated. Return: exit status >= 0 or -errno with
         * @e set. */
        int (*run)(char *const *args, void *context, Error *e);
} Verb;

/** verb_find() - row of a verb or alias; the default one for NULL; NULL = unknown */
const Verb *verb_find(const Verb *verbs, size_t n, const char *name);

/** verb_run() - find and run the verb that a command line asks for
 * @positionals: verb and arguments as settings_from_argv() left them; may be NULL
 * Return: what the verb returned; -EINVAL unknown verb or wrong number of arguments. */
int verb_run(const Verb *verbs, size_t n, char *const *positionals, void *context, Error *e);
