/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From varlink to the operations of op.h: each connection that needs it has a bus of its own, of two ends that
 * are both in this process. So there is one way to decode, authorise and answer an operation, whoever calls;
 * and polkit is told who is behind that bus. */
#pragma once

#include "machined/manager.h"
#include "varlink/server.h"

typedef struct Bridge Bridge;

/* @reply is NULL when the operation failed, with @r and @e as it said.
 * Return: >= 0 the call of varlink is answered, or will be; else what to answer it with, and @e. */
typedef int (*BridgeReply)(VarlinkLink *link, sd_bus_message *reply, int r, Error *e);

/** bridge_free() - close both ends; what is under way goes on, and its answer is thrown away. Return: NULL. */
Bridge *bridge_free(Bridge *b);

/** bridge_call() - begin to call an operation for a connection
 * @interface:   BUS_MACHINE1_MANAGER or BUS_SKEP_MANAGER1
 * @interactive: whether polkit may ask somebody
 * @ret:         the message, to be filled; the caller's
 * Return: 0 or -errno. */
int bridge_call(VarlinkLink *link, const char *interface, const char *member, bool interactive,
                sd_bus_message **ret, Error *e);
/** bridge_call_object() - the same for another object than the Manager */
int bridge_call_object(VarlinkLink *link, const char *path, const char *interface,
                       const char *member, bool interactive, sd_bus_message **ret, Error *e);
/** bridge_send() - send it. One at a time. Return: 0 or -errno. */
int bridge_send(VarlinkLink *link, sd_bus_message *call, BridgeReply reply, Error *e);
/** bridge_send_built() - send it if it could be built
 * @r: what the last sd_bus_message_append() returned. Return: 0 or -errno. */
int bridge_send_built(VarlinkLink *link, sd_bus_message *call, int r, BridgeReply reply, Error *e);
/** bridge_done() - a BridgeReply for operations that return nothing of interest */
int bridge_done(VarlinkLink *link, sd_bus_message *reply, int r, Error *e);
