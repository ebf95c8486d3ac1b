/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Specifiers: "%m" in the value of a setting stands for something that is known only when it is read.
 * What each stands for is asked for when a value has it, and not before. */
#pragma once

#include "base/error.h"

typedef struct Specifier {
        char letter;
        bool tells_of_host; /* only for whom the host trusts */
        /* Return: 0 and a new string; -errno with @e set. */
        int (*value)(const void *userdata, char **ret, Error *e);
} Specifier;

typedef struct SpecifierTable {
        const Specifier *rows; /* "%%" is a percent sign in every table */
        size_t n;
        const void *userdata;
} SpecifierTable;

/** specifier_expand() - put in what the specifiers of a text stand for
 * @trusted:  whether those that tell of the host may be used
 * @ret:      new string
 * Return: 0; SPECIFIER_NEEDS_TRUST (> 0), @ret untouched; -EINVAL with @e set for a specifier that is
 * not in the table or has no letter; what its value() returned. */
enum { SPECIFIER_NEEDS_TRUST = 1 };
int specifier_expand(const SpecifierTable *table, const char *text, bool trusted, char **ret,
                     Error *e);
