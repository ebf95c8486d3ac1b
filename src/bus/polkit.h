/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who calls, and may they? The first is asked of the bus once per connection and remembered (see caller.h);
 * the second is asked of polkit. Nobody waits for either. */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "base/error.h"
#include "bus/code.h"

#define POLKIT_NOBODY ((uid_t) -1)

typedef struct Polkit Polkit;

/** polkit_new() - @bus is borrowed and has to outlive the result. Return: 0 or -ENOMEM. */
int polkit_new(sd_bus *bus, Polkit **ret);
/** polkit_free() - forget all questions that are still open; their callers get no answer.
 * Return: NULL. */
Polkit *polkit_free(Polkit *p);

/** polkit_find_caller() - effective UID and PID of the sender of a message, as callers_find() has it
 * Return: 1; 0 the bus is being asked, as when polkit_check() asks polkit; -errno with @e set (the caller
 * may be gone already). */
int polkit_find_caller(Polkit *p, sd_bus_message *m, uid_t *ret_uid, pid_t *ret_pid, Error *e);

/** polkit_add_peer() - say who is behind the messages of a connection that is not the bus
 * @bus:        a connection between two; polkit_remove_peer() comes before it is freed
 * @pid:        0 = unknown: polkit cannot be asked about them then
 * @start_time: of that process, in ticks since boot
 * Return: 0 or -ENOMEM. */
int polkit_add_peer(Polkit *p, sd_bus *bus, uid_t uid, pid_t pid, uint64_t start_time);
/** polkit_remove_peer() - forget it, and all questions that it has open */
void polkit_remove_peer(Polkit *p, sd_bus *bus);

/** polkit_check() - may the sender of @m do this?
 * Root, the daemon's own user and @owner pass without a question. For everybody else polkit is asked,
 * with interaction if the message allows it; when the answer is here the same message is dispatched
 * once more, so the handler runs again from its start and finds the answer then.
 * @action:   polkit action
 * @details:  key, value, key, value, …, NULL: what rules may look at; may be NULL
 * @owner:    who else passes; POLKIT_NOBODY = nobody
 * Return: 1 they may; 0 being asked, the handler returns 1 at once and does nothing;
 * -EACCES, -ERR_NEEDS_INTERACTION or another negative code, with @e set. */
int polkit_check(Polkit *p, sd_bus_message *m, const char *action, const char *const *details,
                 uid_t owner, Error *e);
/** polkit_check_quietly() - the same, but nobody is ever asked for a password because of it */
int polkit_check_quietly(Polkit *p, sd_bus_message *m, const char *action,
                         const char *const *details, uid_t owner, Error *e);
/** polkit_is_asking() - whether a call waits for what the bus or polkit says of it */
bool polkit_is_asking(const Polkit *p);
