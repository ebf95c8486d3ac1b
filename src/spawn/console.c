/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Console modes, see console.h. The pump itself is app/pty-forward. */
#include "spawn/console.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/parse.h"

ConsoleMode console_resolve(ConsoleMode mode) {
        if (mode != CONSOLE_AUTO && mode != CONSOLE_AUTOPIPE)
                return mode;
        if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
                return CONSOLE_INTERACTIVE;
        return mode == CONSOLE_AUTO ? CONSOLE_READ_ONLY : CONSOLE_PIPE;
}

/* The user may have turned off all tints, and a terminal that knows no colours gets none. */
static bool can_tint(void) {
        const char *wish = getenv("SYSTEMD_TINT_BACKGROUND"), *term = getenv("TERM");
        bool on;

        return !(wish && parse_bool(wish, &on) >= 0 && !on) && term && !streq(term, "dumb");
}

int console_open(ConsoleMode mode, const char *background, int master_fd, PtyForward *f, Error *e) {
        static const struct {
                int in_fd, out_fd;
                PtyForwardFlags flags;
        } modes[_CONSOLE_MODE_MAX] = {
                [CONSOLE_INTERACTIVE] = { STDIN_FILENO, STDOUT_FILENO, PTY_FORWARD_HOLD },
                [CONSOLE_READ_ONLY] = { -1, STDOUT_FILENO,
                                        PTY_FORWARD_HOLD | PTY_FORWARD_READ_ONLY },
                [CONSOLE_PASSIVE] = { -1, -1, PTY_FORWARD_HOLD | PTY_FORWARD_READ_ONLY },
        };

        int r = pty_forward_init(f, modes[mode].in_fd, modes[mode].out_fd, master_fd,
                                 modes[mode].flags, e);

        if (r >= 0 && background && mode == CONSOLE_INTERACTIVE && can_tint())
                pty_forward_set_tint(f, background);
        return r;
}
