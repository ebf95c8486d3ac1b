/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus of two ends that are both in this process: what is served on the one can be called from the other, so
 * that whoever came in another way is decoded, authorised and answered as on the bus of the system. */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/error.h"

/* All zero is closed. */
typedef struct BusPair {
        sd_bus *server; /* objects are put here; polkit_add_peer() says who is behind it */
        sd_bus *client; /* calls come from here */
} BusPair;

/** bus_pair_open() - make both ends and have them greet each other. Return: 0 or -errno. */
int bus_pair_open(sd_event *event, BusPair *ret, Error *e);
/** bus_pair_close() - close both; what is under way is answered by nobody */
void bus_pair_close(BusPair *p);
