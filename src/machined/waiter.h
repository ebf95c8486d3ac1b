/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers that wait until a machine is ready, or gone. They cost the daemon a few bytes each; one worker per
 * machine looks whether it is ready, however many wait for it. */
#pragma once

#include "machined/manager.h"

typedef enum WaitFor {
        WAIT_READY,
        WAIT_GONE,
} WaitFor;

/** waiter_add() - answer a call once it is so
 * A caller that leaves the bus is forgotten. If the machine goes before it is ready, that is an error.
 * @usec: longest wait; UINT64_MAX = for ever. It ends with -ETIMEDOUT.
 * Return: 0; -ENOBUFS too many wait; -errno. */
int waiter_add(Manager *m, Machine *machine, WaitFor what, uint64_t usec, sd_bus_message *call,
               Error *e);
/** waiter_machine_gone() - answer whoever waits for this machine */
void waiter_machine_gone(Manager *m, const Machine *machine);
/** waiter_done_all() - forget all, unanswered */
void waiter_done_all(Manager *m);
