/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What callers of an OCI runtime want to be handed of a process that was started for them: its PID, and our
 * side of its terminal. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/** hand_out_pid() - write a PID to a file, which is there only once it is complete
 * Return: 0 or -errno. */
int hand_out_pid(const char *path, pid_t pid, Error *e);
/** hand_out_terminal() - send our side of a terminal to whoever listens on a socket, with its name
 * @path:  of the socket, of any length
 * Return: 0 or -errno. */
int hand_out_terminal(const char *path, int terminal_fd, Error *e);
