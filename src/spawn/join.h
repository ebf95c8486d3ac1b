/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running a command in a machine that runs already.
 *
 *   caller    joiner    the command
 *     |----->|                       clone3() into the machine's control group
 *     |      | enters namespaces and root, takes on the confinement, becomes skep-init
 *     |      |------->|              which forks into the PID namespace, and ends
 *     |<--------------|              as a child of the caller's
 *
 * So whatever is seen inside is a process without a file, a page, a directory or a right of the host's, and
 * not dumpable, that is about to become the command. */
#pragma once

#include <signal.h>

#include "spawn/join-plan.h"
#include "spawn/join-relay.h"
#include "spawn/join-target.h"

typedef struct Joined {
        pid_t pid; /* leader of a session; our child */
        int pidfd;
        int terminal_fd; /* our side; -EBADF = none, or it was sent away */
} Joined;

#define JOINED_NULL ((Joined){ .pidfd = -EBADF, .terminal_fd = -EBADF })

/** joined_done() - close; kills nothing */
void joined_done(Joined *j);

/** join_start() - start the command, and return once it executes
 * The caller has blocked or ignores what must not end it half way; the command gets all signals as usual.
 * @ret_status:  what to exit with on failure: 125, 126 it cannot be executed, 127 there is none
 * Return: 0; -EBUSY the machine is paused; -ESRCH it has ended; -errno. */
int join_start(const JoinTarget *t, const JoinRequest *q, Joined *ret, int *ret_status, Error *e);

/** join_wait() - wait for the end, carrying what the terminal says to our stdio and back
 *
 * Signals that ask us to end go to the command; ^] three times hangs up its terminal. What does not end
 * then within five seconds is killed.
 * @relay:      what stands between the command and terminals of ours; NULL = nothing
 * @ret_status: the command's, or 128 + N for signal N
 * Return: 0 or -errno. */
int join_wait(Joined *j, JoinRelay *relay, int *ret_status, Error *e);

/** join_wait_controlled() - wait for the end, as somebody at the other side of a socket says
 *
 * Lines "signal N" from there go to the command; when that side is closed, nobody wants the command any more
 * and it is ended. In the end the socket is told "exited N", "killed N" or "failed TEXT".
 * @control: a stream socket; negative = nobody is there and nobody was
 * Return: 0 or -errno. */
int join_wait_controlled(Joined *j, int control, Error *e);

/* What those two are made of. */

/** join_signal() - signal the command's whole session, which runs on to see it if it was stopped */
void join_signal(const Joined *j, int signal);
/** join_end() - ask a command to end, and kill it if it does not within five seconds; it is not reaped */
void join_end(const Joined *j);
/** join_reap() - take the end of a command
 * Return: 0; -ETIMEDOUT a debugger in the machine keeps it; -errno. */
int join_reap(Joined *j, siginfo_t *ret, Error *e);
