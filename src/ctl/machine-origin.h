/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a running machine was made of, as the daemon knows it. */
#pragma once

#include "ctl/client.h"

typedef struct MachineOrigin {
        char *image, *template; /* NULL = unknown, or none */
        char **settings;
        bool is_ephemeral;
} MachineOrigin;

void machine_origin_done(MachineOrigin *o);
/** machine_origin_read() - ask for it; what a daemon cannot tell stays unknown. Return: 0 or -ENOMEM. */
int machine_origin_read(Ctl *c, const char *name, MachineOrigin *ret);
