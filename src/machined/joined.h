/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that join a machine, without a service manager in there: skep-join starts them. Only for workers. */
#pragma once

#include "machined/session.h"

typedef struct Joined {
        int terminal_fd; /* master; -EBADF = none */
        int control_fd; /* takes "signal N", gives one line when the command has ended; closed, it ends it;
                         * -EBADF = nobody wants the status */
} Joined;

#define JOINED_NULL ((Joined){ .terminal_fd = -EBADF, .control_fd = -EBADF })

/** joined_done() - close */
void joined_done(Joined *j);
/** joined_start() - start a command, and return once it executes
 * It is in the control group and all namespaces of the machine's leader, confined as that is.
 * @request: with SESSION_SHELL it gets a terminal of the machine
 * Return: 0; -ERR_COMMAND_NOT_FOUND, -ERR_COMMAND_NOT_EXECUTABLE; -errno. */
int joined_start(const SessionRequest *request, Joined *ret, Error *e);
