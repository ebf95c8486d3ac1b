/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shell and login. A shell on a terminal gets a pty; one with a pipe or a file at either end gets three
 * pipes, so that output, errors and the end of input stay what they are. Both ask our own interface for
 * the exit status; a daemon that has it not still gives a plain shell. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/pty-forward.h"
#include "app/report.h"
#include "base/fd.h"
#include "ctl/client.h"
#include "ctl/shell-call.h"
#include "ctl/streams.h"
#include "ctl/verbs.h"

void shell_call_done(ShellCall *s) {
        free(s->user);
        strv_free(s->args);
        strv_free(s->environment);
}

/* "[USER@]NAME"; nothing at all is this system. */
int shell_call_parse_target(Ctl *c, const char *target, ShellCall *s, Error *e) {
        const char *at = target ? strchr(target, '@') : NULL;

        if (at == target && at)
                return error_set(e, EINVAL, "'%.80s': no user before the '@'", target);
        s->user = at ? strndup(target, (size_t) (at - target)) : strdup(strempty(c->o.uid));
        if (!s->user)
                return error_oom(e);
        s->machine = at ? at + 1 : strempty(target);
        if (!*s->machine)
                s->machine = ".host";
        return 0;
}

static int parse_command(char *const *command, ShellCall *s, Error *e) {
        s->path = "";
        if (!command[0])
                return 0;

        s->path = command[0];
        if (command[0][0] != '/') {
                /* The name of a program is looked up where it will run. */
                s->path = "/bin/sh";
                if (strv_append(&s->args, "sh") < 0 || strv_append(&s->args, "-c") < 0 ||
                    strv_append(&s->args, "exec \"$0\" \"$@\"") < 0)
                        return error_oom(e);
        }
        if (command[0][0] != '/' || command[1])
                STRV_FOREACH(arg, command)
                        if (strv_append(&s->args, *arg) < 0)
                                return error_oom(e);
        return 0;
}

int shell_call_collect_environment(Ctl *c, bool terminal, ShellCall *s, Error *e) {
        static const char *const handed_on[] = { "TERM", "COLORTERM", "NO_COLOR" };

        for (size_t i = 0; i < ELEMENTSOF(handed_on) && terminal; i++) {
                const char *value = getenv(handed_on[i]);

                if (value && strv_append_format(&s->environment, "%s=%s", handed_on[i], value) < 0)
                        return error_oom(e);
        }
        STRV_FOREACH(assignment, c->o.environment)
                if (strv_env_set(&s->environment, *assignment) < 0)
                        return error_oom(e);
        return 0;
}

/* A call with the arguments that all three methods begin with. */
int shell_call_new(Ctl *c, const Peer *peer, const char *member, const ShellCall *s,
                   const char *place, sd_bus_message **ret, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = client_connect(c, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, peer->name, peer->path, peer->interface,
                                           member);
        if (r >= 0)
                r = sd_bus_message_append(m, "sss", s->machine, s->user, place);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, s->args);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, s->environment);
        if (r < 0)
                return error_set(e, r, "cannot make the call: %m");
        *ret = TAKE_PTR(m);
        return 0;
}

static int take_fd(sd_bus_message *m, int *ret) {
        int fd, r = sd_bus_message_read(m, "h", &fd);

        if (r < 0)
                return r;
        *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret < 0 ? -errno : 0;
}

static void say_hello(const ShellCall *s) {
        if (s->is_silent || !isatty(STDIN_FILENO))
                return;
        if (streq(s->machine, ".host"))
                report_note("connected to this system; ^] three times within a second leaves");
        else
                report_note("connected to machine %s; ^] three times within a second leaves",
                            s->machine);
}

static void say_goodbye(const ShellCall *s) {
        if (s->is_silent || !isatty(STDIN_FILENO))
                return;
        if (streq(s->machine, ".host"))
                report_note("the connection to this system has ended");
        else
                report_note("the connection to machine %s has ended", s->machine);
}

static int poweroff_or_reboot(Ctl *c, const ShellCall *s, int event, Error *e) {
        return client_act(c, &peer_machine1, "KillMachine", NULL, e, "ssi", s->machine, "leader",
                          event == PTY_FORWARD_KEY_REBOOT ? SIGINT : SIGRTMIN + 4);
}

/* systemd in a machine ends a command that it cannot start with a status of its own. Nothing tells it
 * from one of the command's, so it is passed on, with a word on what it may mean. */
static int explain(const ShellCall *s, int status) {
        static const struct {
                int status;
                const char *meaning;
        } rows[] = {
                { 200, "the home of the user cannot be entered" },
                { 203, "the program cannot be executed" },
                { 216, "the groups of the user cannot be found" },
                { 217, "there is no such user" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].status == status)
                        report_note("status %d: if it comes from systemd in '%s', %s", status,
                                    s->machine, rows[i].meaning);
        return status;
}

/* Return: exit status or -errno. */
static int run_on_pty(Ctl *c, const ShellCall *s, int pty, int status_fd, Error *e) {
        _cleanup_(pty_forward_done)
                PtyForward f = { .in_fd = -EBADF, .out_fd = -EBADF, .peer_fd = -EBADF };
        char text[SHELL_CALL_STATUS_MAX];
        ssize_t n;
        int r;

        agent_stop(&c->agent); /* the terminal is the command's from here on */
        say_hello(s);
        r = pty_forward_init(&f, STDIN_FILENO, STDOUT_FILENO, pty, 0, e);
        if (r < 0)
                return r;
        r = pty_forward_run(&f, status_fd, e);
        pty_forward_done(&f);
        if (r < 0)
                return r;
        if (r == PTY_FORWARD_KEY_POWEROFF || r == PTY_FORWARD_KEY_REBOOT)
                return poweroff_or_reboot(c, s, r, e);
        say_goodbye(s);
        if (r == PTY_FORWARD_SIGNALLED)
                return 128 + SIGTERM;
        if (r == PTY_FORWARD_KEY_EXIT || status_fd < 0)
                return EXIT_SUCCESS;

        n = fd_read(status_fd, text, sizeof(text) - 1);
        text[MAX(n, (ssize_t) 0)] = 0;
        r = exit_status_parse(text, e);
        return s->is_silent ? r : explain(s, r);
}

int shell_call_on_pty(Ctl *c, const ShellCall *s, sd_bus_message *call, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_fd_ int pty = -EBADF, status_fd = -EBADF;
        int r = client_send(c, call, true, &reply, e);

        if (r < 0)
                return r;
        r = take_fd(reply, &pty);
        if (r >= 0)
                r = sd_bus_message_skip(reply, "s");
        if (r >= 0)
                r = take_fd(reply, &status_fd);
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        reply = sd_bus_message_unref(reply);
        return run_on_pty(c, s, pty, status_fd, e);
}

int shell_call_on_pipes(Ctl *c, sd_bus_message **call, int (*catch_signals)(Error *e),
                        char ret_status[static SHELL_CALL_STATUS_MAX], Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = TAKE_PTR(*call), *reply = NULL;
        _cleanup_(streams_done) Streams streams = {};
        _cleanup_fd_ int status_fd = -EBADF;
        int r = streams_init(&streams, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "hhh", streams.v[0].far, streams.v[1].far, streams.v[2].far);
        if (r < 0)
                return error_set(e, r, "cannot make the call: %m");
        r = client_send(c, m, true, &reply, e);
        if (r < 0)
                return r;
        r = take_fd(reply, &status_fd);
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");

        /* The messages hold copies of the command's ends: with them open there would be no end. */
        m = sd_bus_message_unref(m);
        reply = sd_bus_message_unref(reply);
        streams_close_far(&streams);
        agent_stop(&c->agent);
        if (catch_signals) {
                r = streams.signals_fd = catch_signals(e);
                if (r < 0)
                        return r;
        }
        return streams_run(&streams, status_fd, ret_status, SHELL_CALL_STATUS_MAX, e);
}

static int shell_on_pty(Ctl *c, const ShellCall *s, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = shell_call_new(c, &peer_skep, "OpenMachineShell", s, s->path, &m, e);

        return r < 0 ? r : shell_call_on_pty(c, s, m, e);
}

static int shell_on_pipes(Ctl *c, const ShellCall *s, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char text[SHELL_CALL_STATUS_MAX];
        int r = shell_call_new(c, &peer_skep, "RunInMachine", s, s->path, &m, e);

        if (r >= 0)
                r = shell_call_on_pipes(c, &m, NULL, text, e);
        return r < 0 ? r : explain(s, exit_status_parse(text, e));
}

/* The shell of a daemon that knows the common interface only. */
static int shell_plain(Ctl *c, const ShellCall *s, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_fd_ int pty = -EBADF;
        int r = shell_call_new(c, &peer_machine1, "OpenMachineShell", s, s->path, &m, e);

        if (r >= 0)
                r = client_send(c, m, true, &reply, e);
        if (r < 0)
                return r;
        r = take_fd(reply, &pty);
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        reply = sd_bus_message_unref(reply);
        report_note("this daemon does not tell exit statuses: ours will be 0 whatever comes of it");
        return run_on_pty(c, s, pty, -EBADF, e);
}

int shell_call_check_local(Ctl *c, Error *e) {
        return c->o.host ? error_set(e, EOPNOTSUPP, "terminals do not go over --host; use ssh") : 0;
}

int verb_shell(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        _cleanup_(shell_call_done) ShellCall s = {};
        bool on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        int r = shell_call_check_local(c, e);

        if (r >= 0)
                r = shell_call_parse_target(c, args[0], &s, e);
        if (r >= 0)
                r = parse_command(args[0] ? args + 1 : args, &s, e);
        if (r >= 0)
                r = shell_call_collect_environment(c, true, &s, e);
        if (r < 0)
                return r;

        r = on_terminal ? shell_on_pty(c, &s, e) : shell_on_pipes(c, &s, e);
        if (client_is_unknown_method(r))
                r = shell_plain(c, &s, e);
        if (r < 0)
                return error_wrap(e, r, "no shell in '%s'", s.machine);
        return c->is_machinectl ? EXIT_SUCCESS : r; /* there it is that of the connection */
}

/* Sees the machine go. */
typedef struct Login {
        const char *machine;
        bool gone;
} Login;

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Login *login = userdata;
        const char *name;

        if (sd_bus_message_read(m, "so", &name, NULL) >= 0 && streq(name, login->machine))
                login->gone = true;
        return 0;
}

static int handle_signals(PtyForward *f, int signals) {
        struct signalfd_siginfo si;

        while (read(signals, &si, sizeof(si)) == sizeof(si))
                if (si.ssi_signo == SIGWINCH)
                        pty_forward_resize(f);
                else
                        return PTY_FORWARD_SIGNALLED;
        return PTY_FORWARD_MORE;
}

/* As pty_forward_run(), with the bus beside it: a login prompt comes again after each logout, so only the
 * end of the machine ends it. */
static int forward_until_gone(Ctl *c, PtyForward *f, Login *login, int signals, Error *e) {
        for (;;) {
                struct pollfd fds[PTY_FORWARD_FDS + 2];
                int r;

                do
                        r = sd_bus_process(c->bus, NULL);
                while (r > 0);
                if (r < 0 || login->gone) {
                        pty_forward_drain(f, 100000);
                        return PTY_FORWARD_STOPPED;
                }
                pty_forward_poll(f, fds);
                fds[PTY_FORWARD_FDS] = (struct pollfd){ .fd = signals, .events = POLLIN };
                fds[PTY_FORWARD_FDS + 1] = (struct pollfd){ .fd = sd_bus_get_fd(c->bus),
                                                            .events = POLLIN };
                if (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for the terminal: %m");

                r = pty_forward_step(f, fds, e);
                if (r == PTY_FORWARD_MORE && fds[PTY_FORWARD_FDS].revents)
                        r = handle_signals(f, signals);
                if (r != PTY_FORWARD_MORE)
                        return r;
        }
}

static int login_on_pty(Ctl *c, const ShellCall *s, int pty, Login *login, Error *e) {
        _cleanup_(pty_forward_done)
                PtyForward f = { .in_fd = -EBADF, .out_fd = -EBADF, .peer_fd = -EBADF };
        _cleanup_fd_ int signals = -EBADF;
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGWINCH);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals < 0)
                return error_set(e, errno, "cannot catch signals: %m");

        agent_stop(&c->agent); /* the terminal is the command's from here on */
        say_hello(s);
        r = pty_forward_init(&f, STDIN_FILENO, STDOUT_FILENO, pty, PTY_FORWARD_HOLD, e);
        if (r < 0)
                return r;
        r = forward_until_gone(c, &f, login, signals, e);
        pty_forward_done(&f);
        if (r < 0)
                return r;
        if (r == PTY_FORWARD_KEY_POWEROFF || r == PTY_FORWARD_KEY_REBOOT)
                return poweroff_or_reboot(c, s, r, e);
        if (login->gone)
                report_note("machine %s has ended", s->machine);
        else
                say_goodbye(s);
        return r == PTY_FORWARD_SIGNALLED ? 128 + SIGTERM : EXIT_SUCCESS;
}

int verb_login(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        ShellCall s = { .machine = args[0] && *args[0] ? args[0] : ".host" };
        Login login = { .machine = s.machine };
        _cleanup_fd_ int pty = -EBADF;
        int r = shell_call_check_local(c, e);

        if (r >= 0 && (c->o.uid || c->o.environment))
                r = error_set(e, EINVAL,
                              "--uid and --setenv are for shell: a login asks who you are");
        if (r >= 0)
                r = client_connect(c, e);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(c->bus, NULL, BUS_MACHINE1_NAME, BUS_MACHINE1_PATH,
                                BUS_MACHINE1_MANAGER, "MachineRemoved", on_removed, &login);
        if (r < 0)
                return error_set(e, r, "cannot listen for the end of the machine: %m");
        r = client_act(c, &peer_machine1, "OpenMachineLogin", &reply, e, "s", s.machine);
        if (r < 0)
                return error_wrap(e, r, "no login in '%s'", s.machine);
        r = take_fd(reply, &pty);
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        return login_on_pty(c, &s, pty, &login, e);
}
