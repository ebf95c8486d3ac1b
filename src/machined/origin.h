/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine was made of: image, settings, template of its unit. Our spawner notes it in the file that it
 * has for each machine; of machines of others there is what they registered. */
#pragma once

#include "base/text.h"
#include "machined/machine.h"

typedef struct Origin {
        char *image;     /* path; NULL = unknown */
        char **settings; /* files, in the order in which they were read */
        bool is_ephemeral;
} Origin;

void origin_done(Origin *o);
/** origin_parse() - what the text of a spawner's file says of the machine that a process leads
 * Return: 0; -ENOENT it says nothing of that one; -ENOMEM. */
int origin_parse(const char *text, pid_t leader, Origin *ret);
/** origin_read() - the same for a machine. Return: 0 or -ENOMEM. */
int origin_read(const Machine *m, Origin *ret);
/** origin_template() - "web@.service" of the unit "web@db.service". Return: a new string, "" if it is of no
 * template; NULL = out of memory. */
char *origin_template(const char *unit);
