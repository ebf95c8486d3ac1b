/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Staying with a joined command till it ends, see join.h. */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/pty-forward.h"
#include "base/proc.h"
#include "spawn/join-relay.h"
#include "spawn/join.h"

#define KILL_AFTER_USEC ((uint64_t) 5 * 1000000)
#define REAP_USEC       ((uint64_t) 3 * 1000000)

/* The whole session: whatever has not left it. */
void join_signal(const Joined *j, int signal) {
        static const int stops[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGKILL };

        if (kill(-j->pid, signal) < 0)
                (void) proc_pidfd_signal(j->pidfd, signal);
        for (size_t i = 0; i < ELEMENTSOF(stops); i++)
                if (signal == stops[i])
                        return;
        (void) kill(-j->pid, SIGCONT);
}

/* Somebody in the machine who traces the command hears of its end before us, and may keep it. */
int join_reap(Joined *j, siginfo_t *ret, Error *e) {
        uint64_t until = 0;
        siginfo_t info = {};

        (void) fd_wait(j->pidfd, POLLIN, UINT64_MAX);
        while (waitid(P_PIDFD, (id_t) j->pidfd, &info, WEXITED | WNOHANG | __WALL) >= 0 &&
               info.si_pid == 0) {
                until = until == 0 ? now_usec() + REAP_USEC : until;
                if (now_usec() > until)
                        return error_set(e, ETIMEDOUT,
                                         "the command has ended, but is held in the machine by a"
                                         " debugger");
                (void) usleep(1000);
        }
        if (info.si_pid == 0)
                return error_set(e, errno, "cannot learn how the command ended: %m");
        *ret = info;
        j->pidfd = fd_close(j->pidfd);
        return 0;
}

static int reap(Joined *j, int *ret_status, Error *e) {
        siginfo_t info;
        int r = join_reap(j, &info, e);

        if (r >= 0)
                *ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        return r;
}

/* Nobody listens any more: the command is told, and made to end if it does not. */
void join_end(const Joined *j) {
        join_signal(j, SIGHUP);
        join_signal(j, SIGTERM);
        if (fd_wait(j->pidfd, POLLIN, KILL_AFTER_USEC) == 0)
                join_signal(j, SIGKILL);
}

static int wait_with_terminal(Joined *j, int *ret_status, Error *e) {
        PtyForward f;
        int r = pty_forward_init(&f, STDIN_FILENO, STDOUT_FILENO, j->terminal_fd, 0, e);

        if (r >= 0) {
                /* The other side may be closed by a command that goes on: its end is what counts. */
                do
                        r = pty_forward_run(&f, j->pidfd, e);
                while (r == PTY_FORWARD_KEY_POWEROFF || r == PTY_FORWARD_KEY_REBOOT);
                pty_forward_done(&f);
        }
        if (r == PTY_FORWARD_KEY_EXIT || r == PTY_FORWARD_SIGNALLED || r < 0) {
                j->terminal_fd = fd_close(j->terminal_fd);
                join_end(j);
        }
        if (r < 0) {
                (void) reap(j, ret_status, NULL);
                return r;
        }
        return reap(j, ret_status, e);
}

/* Signals that ask us to end are passed on; whoever asks again means it. */
static void pass_signal(const Joined *j, int signals, bool *asked) {
        struct signalfd_siginfo info;

        if (read(signals, &info, sizeof info) != sizeof info)
                return;
        join_signal(j, *asked ? SIGKILL : (int) info.ssi_signo);
        *asked = info.ssi_signo != SIGUSR1 && info.ssi_signo != SIGUSR2;
}

static int pump(const Joined *j, JoinRelay *relay, int signals, Error *e) {
        bool asked = false;

        for (;;) {
                struct pollfd fds[JOIN_RELAY_WAYS + 2];

                join_relay_poll(relay, fds);
                fds[JOIN_RELAY_WAYS] = (struct pollfd){ .fd = signals, .events = POLLIN };
                fds[JOIN_RELAY_WAYS + 1] = (struct pollfd){ .fd = j->pidfd, .events = POLLIN };
                if (poll(fds, ELEMENTSOF(fds), -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return error_set(e, errno, "cannot wait for the command: %m");
                }
                join_relay_step(relay, fds);
                if (fds[JOIN_RELAY_WAYS].revents)
                        pass_signal(j, signals, &asked);
                if (fds[JOIN_RELAY_WAYS + 1].revents) {
                        join_relay_drain(relay);
                        return 0;
                }
        }
}

static void fill_passed(sigset_t *set) {
        static const int passed[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

        (void) sigemptyset(set);
        for (size_t i = 0; i < ELEMENTSOF(passed); i++)
                (void) sigaddset(set, passed[i]);
}

static int wait_with_pipes(Joined *j, JoinRelay *relay, int *ret_status, Error *e) {
        sigset_t passed;

        fill_passed(&passed);
        if (sigprocmask(SIG_BLOCK, &passed, NULL) < 0)
                return error_set(e, errno, "cannot block signals: %m");
        (void) signal(SIGPIPE, SIG_IGN);
        _cleanup_fd_ int signals = signalfd(-1, &passed, SFD_CLOEXEC | SFD_NONBLOCK);
        int r = signals < 0 ? error_set(e, errno, "cannot wait for signals: %m")
                            : pump(j, relay, signals, e);
        if (r < 0)
                join_end(j);
        return r < 0 ? r : reap(j, ret_status, e);
}

int join_wait(Joined *j, JoinRelay *relay, int *ret_status, Error *e) {
        JoinRelay none = JOIN_RELAY_NULL;

        if (j->terminal_fd >= 0)
                return wait_with_terminal(j, ret_status, e);
        if (relay)
                join_relay_started(relay);
        return wait_with_pipes(j, relay ? relay : &none, ret_status, e);
}
