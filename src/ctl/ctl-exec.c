/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec: a command joins a machine, whether there is a service manager in it or not. On a terminal, or with
 * --pty, it gets one; else its output, its errors, the end of its input and signals stay what they are. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/report.h"
#include "base/fd.h"
#include "bus/code.h"
#include "ctl/client.h"
#include "ctl/shell-call.h"
#include "ctl/streams.h"
#include "ctl/verbs.h"

/* As of whatever starts a command for somebody. */
enum {
        EXIT_NO_START = 125,
        EXIT_NOT_EXECUTABLE = 126,
        EXIT_NOT_FOUND = 127,
};

static int new_call(Ctl *c, const char *member, const ShellCall *s, sd_bus_message **ret,
                    Error *e) {
        return shell_call_new(c, &peer_skep, member, s, strempty(c->o.directory), ret, e);
}

static int exec_on_pty(Ctl *c, const ShellCall *s, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        struct winsize size = {};
        int r = new_call(c, "ExecInMachineOnTerminal", s, &m, e);

        if (r < 0)
                return r;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
                (void) ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
        r = sd_bus_message_append(m, "qq", size.ws_row, size.ws_col);
        return r < 0 ? error_set(e, r, "cannot make the call: %m") : shell_call_on_pty(c, s, m, e);
}

/* Signals that would end us are for the command: its end is ours. */
static int catch_signals(Error *e) {
        static const int caught[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
        sigset_t mask;

        (void) sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(caught); i++)
                (void) sigaddset(&mask, caught[i]);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        int fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? error_set(e, errno, "cannot catch signals: %m") : fd;
}

static int exec_on_pipes(Ctl *c, const ShellCall *s, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char text[SHELL_CALL_STATUS_MAX];
        int r = new_call(c, "ExecInMachine", s, &m, e);

        if (r >= 0)
                r = shell_call_on_pipes(c, &m, catch_signals, text, e);
        return r < 0 ? r : exit_status_parse(text, e);
}

int verb_exec(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        _cleanup_(shell_call_done) ShellCall s = { .is_silent = true };
        bool on_terminal = c->o.pty || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
        int r = shell_call_check_local(c, e);

        if (r >= 0)
                r = shell_call_parse_target(c, args[0], &s, e);
        if (r >= 0)
                r = shell_call_collect_environment(c, on_terminal, &s, e);
        STRV_FOREACH(arg, args + 1)
                if (r >= 0 && strv_append(&s.args, *arg) < 0)
                        r = error_oom(e);
        if (r < 0)
                return r;

        r = on_terminal ? exec_on_pty(c, &s, e) : exec_on_pipes(c, &s, e);
        if (r >= 0)
                return r;
        if (client_is_unknown_method(r))
                r = error_set(e, EOPNOTSUPP, "this daemon cannot; \"skep shell\" may do");
        (void) error_wrap(e, r, "no command in '%s'", s.machine);
        (void) ctl_report(c, e);
        return r == -ERR_COMMAND_NOT_FOUND        ? EXIT_NOT_FOUND
               : r == -ERR_COMMAND_NOT_EXECUTABLE ? EXIT_NOT_EXECUTABLE
                                                  : EXIT_NO_START;
}
