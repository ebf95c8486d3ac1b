/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Console modes, see console.h. The pump itself is app/pty-forward. */
#include "spawn/console.h"

#include <unistd.h>

ConsoleMode console_resolve(ConsoleMode mode) {
        if (mode != CONSOLE_AUTO && mode != CONSOLE_AUTOPIPE)
                return mode;
        if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
                return CONSOLE_INTERACTIVE;
        return mode == CONSOLE_AUTO ? CONSOLE_READ_ONLY : CONSOLE_PIPE;
}

int console_open(ConsoleMode mode, int master_fd, PtyForward *f, Error *e) {
        static const struct {
                int in_fd, out_fd;
                PtyForwardFlags flags;
        } modes[_CONSOLE_MODE_MAX] = {
                [CONSOLE_INTERACTIVE] = { STDIN_FILENO, STDOUT_FILENO, PTY_FORWARD_HOLD },
                [CONSOLE_READ_ONLY] = { -1, STDOUT_FILENO,
                                        PTY_FORWARD_HOLD | PTY_FORWARD_READ_ONLY },
                [CONSOLE_PASSIVE] = { -1, -1, PTY_FORWARD_HOLD | PTY_FORWARD_READ_ONLY },
        };

        return pty_forward_init(f, modes[mode].in_fd, modes[mode].out_fd, master_fd,
                                modes[mode].flags, e);
}
