/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is to know of each machine for a list of them. It is asked of all machines at once, so that the
 * time does not grow with their number times the way to the daemon. */
#pragma once

#include "ctl/client.h"
#include "ctl/property.h"

typedef struct MachineRow {
        char *name, *class, *service;
        char *os, *version, *addresses, *ports;
        Properties properties; /* of the machine's object, where they were asked for */
        unsigned *waiting;     /* answers that are outstanding, of all rows */
} MachineRow;

typedef struct MachineRows {
        MachineRow **v;
        size_t n;
        unsigned waiting;
} MachineRows;

void machine_rows_done(MachineRows *rows);
/** machine_rows_read() - ask for all machines
 * What a machine does not tell, or no longer can, is left NULL.
 * @properties: ask for their properties as well
 * Return: 0 or -errno. */
int machine_rows_read(Ctl *c, bool properties, MachineRows *ret, Error *e);
