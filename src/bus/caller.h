/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who calls? The bus is asked once per connection, and nobody waits for its answer: it may itself be
 * waiting for us, who tell it names of users. */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "base/error.h"

typedef struct Callers Callers;

/* Who is behind a connection of two. */
typedef struct Peer {
        struct Peer *next;
        sd_bus *bus; /* borrowed */
        uid_t uid;
        pid_t pid;           /* 0 = unknown */
        uint64_t start_time; /* of that process, in ticks since boot */
} Peer;

/** callers_new() - @bus is borrowed and has to outlive the result. Return: 0 or -errno. */
int callers_new(sd_bus *bus, Callers **ret);
/** callers_free() - calls that are held back get no answer. Return: NULL. */
Callers *callers_free(Callers *c);
/** callers_add_peer() - say who is behind a connection that is not the bus. Return: 0 or -ENOMEM. */
int callers_add_peer(Callers *c, sd_bus *bus, uid_t uid, pid_t pid, uint64_t start_time);
/** callers_remove_peer() - forget it */
void callers_remove_peer(Callers *c, const sd_bus *bus);
/** callers_peer() - who is behind the connection that a message came on; NULL = it is the bus */
const Peer *callers_peer(const Callers *c, sd_bus_message *m);
/** callers_is_asking() - whether calls are held back until the bus has said who makes them */
bool callers_is_asking(const Callers *c);
/** callers_find() - effective UID and PID of the sender of a message
 * Where the bus has to be asked, the message is held back, and all that the sender calls until the answer
 * is here; then they are dispatched, in their order, as if they had come only now.
 * @ret_uid, @ret_pid: either may be NULL; PID 0 = none that we could name
 * Return: 1; 0 the bus is being asked: do nothing; -errno with @e set. */
int callers_find(Callers *c, sd_bus_message *m, uid_t *ret_uid, pid_t *ret_pid, Error *e);
