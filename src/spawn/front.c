/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process at the terminal, see front.h. */
#include "spawn/front.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/report.h"
#include "base/handshake.h"
#include "base/proc.h"
#include "spawn/console.h"

bool front_is_wanted(const Spec *spec) {
        return spec->console == CONSOLE_INTERACTIVE && !spec->keep_unit &&
               !getenv("NOTIFY_SOCKET") && isatty(STDIN_FILENO);
}

/* Return: 1 the machine is left to itself; 0 the supervisor has something to say; -errno. */
static int carry(const Spec *spec, int console, int sock, pid_t supervisor, Error *e) {
        static const FrontWish wishes[] = {
                [PTY_FORWARD_KEY_EXIT] = FRONT_EXIT,
                [PTY_FORWARD_KEY_POWEROFF] = FRONT_POWEROFF,
                [PTY_FORWARD_KEY_REBOOT] = FRONT_REBOOT,
                [PTY_FORWARD_KEY_DETACH] = FRONT_DETACH,
        };
        PtyForward f;
        int r = console_open(CONSOLE_INTERACTIVE, spec->background, console, &f, e);

        if (r < 0)
                return r;
        f.flags |= PTY_FORWARD_KEEP_KEYS | PTY_FORWARD_CAN_DETACH;
        do {
                r = pty_forward_run(&f, sock, e);
                if (r == PTY_FORWARD_SIGNALLED)
                        (void) kill(supervisor, SIGTERM);
                else if (r >= PTY_FORWARD_KEY_EXIT)
                        (void) handshake_send_phase(sock, wishes[r]);
        } while (r >= 0 && r != PTY_FORWARD_STOPPED && r != PTY_FORWARD_KEY_DETACH);
        pty_forward_done(&f);
        return r < 0 ? r : r == PTY_FORWARD_KEY_DETACH;
}

/* Until the supervisor has ended, or we leave it. Return: as carry(). */
static int attend(const Spec *spec, int sock, pid_t supervisor, Error *e) {
        for (;;) {
                HandshakeMessage m;
                int r = handshake_receive(sock, &m);

                if (r <= 0)
                        return r < 0 ? error_set(e, r, "cannot hear from the supervisor: %m") : 0;
                _cleanup_fd_ int console = m.fd;
                if (m.type != HANDSHAKE_FD)
                        continue;
                r = carry(spec, console, sock, supervisor, e);
                if (r != 0)
                        return r;
        }
}

/* Signals of the terminal reach the supervisor by themselves, as long as it is in our session. */
static void hold_signals(sigset_t *ret_before) {
        static const int held[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH };
        sigset_t set;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(held); i++)
                (void) sigaddset(&set, held[i]);
        (void) sigprocmask(SIG_BLOCK, &set, ret_before);
}

int front_split(const Spec *spec, int *ret_sock, int *ret_status, Error *e) {
        sigset_t before;
        siginfo_t info = {};
        int pair[2];
        int r = handshake_pair(pair);

        if (r < 0)
                return error_set(e, r, "cannot make a socket: %m");
        hold_signals(&before);
        pid_t pid = fork();
        if (pid <= 0) {
                (void) sigprocmask(SIG_SETMASK, &before, NULL);
                (void) close(pair[0]);
                if (pid < 0) {
                        (void) close(pair[1]);
                        return error_set(e, errno, "cannot fork: %m");
                }
                *ret_sock = pair[1];
                return 1;
        }
        (void) close(pair[1]);
        r = attend(spec, pair[0], pid, e);
        (void) close(pair[0]);
        if (r > 0) {
                report_note("'%s' runs on; skep-spawn --attach=%s comes back to it", spec->machine,
                            spec->machine);
                *ret_status = 0;
                return 0;
        }
        if (waitid(P_PID, (id_t) pid, &info, WEXITED) < 0)
                return error_set(e, errno, "cannot learn how the supervisor ended: %m");
        *ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        return r;
}
