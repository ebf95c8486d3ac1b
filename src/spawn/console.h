/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal of the payload as seen from outside: which mode, and what is pumped where. The
 * terminal itself is made inside the machine (console-inner in the payload's own steps). */
#pragma once

#include "app/pty-forward.h"
#include "spawn/run.h"

/** console_resolve() - turn CONSOLE_AUTO and CONSOLE_AUTOPIPE into a mode by what stdio is
 * Return: the mode, never one of the two. */
ConsoleMode console_resolve(ConsoleMode mode);

/** console_open() - connect our stdio to the terminal of the payload as the mode says
 * What the payload writes to a passive console is read and dropped, so that it never waits for a reader.
 * @mode:      resolved, not CONSOLE_PIPE
 * @background: colour of what is shown while it is interactive; NULL = none
 * @master_fd: our side of the terminal, borrowed
 * @f:         pty_forward_done() disconnects
 * Return: 0 or -errno. */
int console_open(ConsoleMode mode, const char *background, int master_fd, PtyForward *f, Error *e);
