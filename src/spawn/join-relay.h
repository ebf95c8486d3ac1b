/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals of the host are nothing for a machine: whoever has one open may type into it. Where a joined
 * command is to have our stdio and some of it is a terminal, the command gets a pipe instead, and we carry
 * the bytes. What is none goes to it as it is. */
#pragma once

#include <poll.h>

#include "base/error.h"

#define JOIN_RELAY_WAYS 3

typedef struct JoinRelayWay {
        int from, to; /* -EBADF = this way is closed, or there is none */
        size_t at, n; /* bytes [at, n) wait to be written */
        char bytes[4096];
} JoinRelayWay;

typedef struct JoinRelay {
        JoinRelayWay ways[JOIN_RELAY_WAYS]; /* of stdin, stdout, stderr */
        int inner[JOIN_RELAY_WAYS];         /* the command's ends */
} JoinRelay;

#define JOIN_RELAY_NULL                                                                            \
        ((JoinRelay){ .ways = { { .from = -EBADF, .to = -EBADF },                                  \
                                { .from = -EBADF, .to = -EBADF },                                  \
                                { .from = -EBADF, .to = -EBADF } },                                \
                      .inner = { -EBADF, -EBADF, -EBADF } })

/** join_relay_open() - make pipes where they are needed
 * @r:     JOIN_RELAY_NULL
 * @stdio: what the command gets, changed where it is a terminal
 * Return: 0 or -errno; join_relay_done() in any case. */
int join_relay_open(JoinRelay *r, int stdio[static 3], Error *e);
/** join_relay_started() - the command has its ends; we need them no more */
void join_relay_started(JoinRelay *r);
/** join_relay_poll() - what to wait for; entries that are not wanted have fd -1 */
void join_relay_poll(const JoinRelay *r, struct pollfd fds[static JOIN_RELAY_WAYS]);
/** join_relay_step() - carry what can be carried without waiting; SIGPIPE is ignored */
void join_relay_step(JoinRelay *r, const struct pollfd fds[static JOIN_RELAY_WAYS]);
/** join_relay_drain() - the command has ended: carry what it has written */
void join_relay_drain(JoinRelay *r);
/** join_relay_done() - close all that is ours */
void join_relay_done(JoinRelay *r);
