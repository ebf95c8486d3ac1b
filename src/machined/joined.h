/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands in machines whose guest has no service manager on a bus: a process of ours goes into the
 * machine's control group and namespaces, takes on its limits and becomes the command. There is no login
 * session then and no PAM. Only for workers. */
#pragma once

#include "machined/session.h"

typedef struct Joined {
        pid_t pid; /* child of the worker, leader of a session */
        int pidfd;
} Joined;

/** joined_start() - start the command
 * @stdio:    standard input, output and error; a terminal when @terminal
 * Return: 0; -ENOENT no such user, command; -errno with @e set. */
int joined_start(const SessionRequest *request, int root_fd, const int stdio[static 3],
                 bool terminal, Joined *ret, Error *e);
/** joined_wait() - wait till it has ended; stop it when nobody wants to know any more
 * @status: end of a pipe; when the other one is closed, the command is stopped. -1 = there is none
 * Return: 0 or -errno. */
int joined_wait(Joined *j, int status, SessionEnd *ret, Error *e);
