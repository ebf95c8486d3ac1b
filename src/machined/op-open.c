/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals, logins and commands in machines: decoding, rights and answers. What happens is in session.c. */
#include "base/path.h"
#include "machined/op.h"
#include "machined/session.h"

/* Covers a guest whose service manager is busy booting. */
#define OPEN_USEC       ((uint64_t) 90 * 1000000)
#define ENVIRONMENT_MAX 1024
#define ARGUMENTS_MAX   65536
#define USER_LENGTH_MAX 256

static int finish_pty(sd_bus_message *call, const OperationResult *result, Error *e) {
        return op_sent(sd_bus_reply_method_return(call, "hs", result->fds[0], result->text), e);
}

static int finish_pty_status(sd_bus_message *call, const OperationResult *result, Error *e) {
        return op_sent(sd_bus_reply_method_return(call, "hsh", result->fds[0], result->text,
                                                  result->fds[1]),
                       e);
}

static int finish_status(sd_bus_message *call, const OperationResult *result, Error *e) {
        return op_sent(sd_bus_reply_method_return(call, "h", result->fds[1]), e);
}

static const OperationKind open_kind = { "opening a terminal", session_work, finish_pty, OPEN_USEC,
                                         true };
static const OperationKind status_kind = { "opening a shell", session_work, finish_pty_status,
                                           OPEN_USEC, true };
static const OperationKind run_kind = { "running a command", session_work, finish_status, OPEN_USEC,
                                        true };

static int check_class(const Machine *machine, Error *e) {
        return machine->class == MACHINE_CONTAINER || machine->class == MACHINE_HOST
                       ? 0
                       : error_set(e, EOPNOTSUPP, "machine '%s' is no container, one cannot go in",
                                   machine->name);
}

/* Who may register processes of their own must not get root's shell for it on the host. */
static int check_guard(const Machine *machine, Error *e) {
        const Target target = target_of(machine);

        if (machine->uid == 0)
                return 0;
        int r = target_shares_namespace(&target, "user", e);
        if (r > 0)
                return error_set(e, EACCES,
                                 "machine '%s' was registered by user %u and has no user namespace "
                                 "of its own",
                                 machine->name, machine->uid);
        return r;
}

static int authorize(Manager *m, const Machine *machine, sd_bus_message *call, const char *what,
                     const char *const *details, Error *e) {
        _cleanup_free_ char *action = str_format(BUS_MACHINE1_NAME ".%s%s",
                                                 machine->class == MACHINE_HOST ? "host-" : "",
                                                 what);

        return action ? polkit_check(m->daemon.polkit, call, action, details, machine->uid, e)
                      : error_oom(e);
}

static int start(Manager *m, const OperationKind *kind, Machine *machine, SessionRequest *request,
                 sd_bus_message *call, Error *e) {
        int keep[4], n = 0;

        request->target = target_of(machine);
        if (request->target.pidfd >= 0)
                keep[n++] = request->target.pidfd;
        if (request->kind == SESSION_RUN)
                for (unsigned i = 0; i < 3; i++)
                        keep[n++] = request->stdio[i];
        return operation_start(&m->operations, kind, call, machine, request, keep, (size_t) n, e);
}

int op_open_pty(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        const char *const details[] = { "machine", machine->name, NULL };
        SessionRequest request = { .kind = SESSION_PTY, .user = "root" };
        int r = check_class(machine, e);

        if (r >= 0)
                r = authorize(m, machine, call, "open-pty", details, e);
        return r <= 0 ? r : start(m, &open_kind, machine, &request, call, e);
}

int op_open_login(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        const char *const details[] = { "machine", machine->name, "verb", "login", NULL };
        SessionRequest request = { .kind = SESSION_LOGIN, .user = "root" };
        int r = check_class(machine, e);

        if (r >= 0)
                r = check_guard(machine, e);
        if (r >= 0)
                r = authorize(m, machine, call, "login", details, e);
        return r <= 0 ? r : start(m, &open_kind, machine, &request, call, e);
}

static bool user_is_plausible(const char *s) {
        if (!*s || strlen(s) > USER_LENGTH_MAX || *s == '-')
                return false;
        for (; *s; s++)
                if ((unsigned char) *s <= ' ' || *s == 0x7f ||
                    strchr(":/\"'\\$`;&|<>(){}*?[]#~", *s))
                        return false;
        return true;
}

static int check_strings(const SessionRequest *request, Error *e) {
        if (!user_is_plausible(request->user))
                return error_set(e, EINVAL, "'%.64s' is not a valid user name", request->user);
        if (strv_length(request->args) > ARGUMENTS_MAX ||
            strv_length(request->environment) > ENVIRONMENT_MAX)
                return error_set(e, ENOBUFS, "too many arguments or variables");
        STRV_FOREACH(s, request->environment)
                if (!env_assignment_is_valid(*s))
                        return error_set(e, EINVAL, "'%.64s' is not a valid assignment", *s);
        return 0;
}

static int check_request(const SessionRequest *request, Error *e) {
        if (*request->path && !path_is_safe(request->path))
                return error_set(e, EINVAL, "'%.64s' is not an absolute path of a command",
                                 request->path);
        if (!*request->path && request->args && request->args[0])
                return error_set(e, EINVAL, "arguments without a command");
        return check_strings(request, e);
}

static int authorize_shell(Manager *m, const Machine *machine, const SessionRequest *request,
                           sd_bus_message *call, Error *e) {
        _cleanup_free_ char *line = strv_join(request->args, " ");
        const char *const details[] = {
                "machine", machine->name, "user",         request->user,
                "program", request->path, "command_line", *strempty(line) ? line : request->path,
                NULL
        };

        int r = check_class(machine, e);
        if (r >= 0)
                r = check_guard(machine, e);
        return r < 0 ? r : authorize(m, machine, call, "shell", details, e);
}

/* Reads user, path, arguments and environment; the vectors are the caller's to free. */
static int read_request(sd_bus_message *call, SessionRequest *request, Error *e) {
        int r = op_read(call, e, "ss", &request->user, &request->path);

        if (r < 0)
                return r;
        if (sd_bus_message_read_strv(call, &request->args) < 0 ||
            sd_bus_message_read_strv(call, &request->environment) < 0)
                return error_set(e, EINVAL, "the arguments cannot be read");
        if (!*request->user)
                request->user = "root";
        return check_request(request, e);
}

static void request_done(SessionRequest *request) {
        strv_free(request->args);
        strv_free(request->environment);
}

int op_open_shell(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        _cleanup_(request_done) SessionRequest request = { .kind = SESSION_SHELL };
        int r = read_request(call, &request, e);

        if (r >= 0)
                r = authorize_shell(m, machine, &request, call, e);
        return r <= 0 ? r : start(m, &open_kind, machine, &request, call, e);
}

/* The calls of org.skep.Machine1. */
static int open_with_status(Manager *m, Machine *machine, SessionRequest *request,
                            const OperationKind *kind, sd_bus_message *call, Error *e) {
        int r = read_request(call, request, e);

        if (r >= 0 && request->kind == SESSION_RUN)
                r = op_read(call, e, "hhh", request->stdio, request->stdio + 1, request->stdio + 2);
        if (r < 0)
                return r;
        r = authorize_shell(m, machine, request, call, e);
        return r <= 0 ? r : start(m, kind, machine, request, call, e);
}

int op_run(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        _cleanup_(request_done)
                SessionRequest request = { .kind = SESSION_RUN, .wants_status = true };

        return open_with_status(m, machine, &request, &run_kind, call, e);
}

int op_open_shell_with_status(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        _cleanup_(request_done)
                SessionRequest request = { .kind = SESSION_SHELL, .wants_status = true };

        return open_with_status(m, machine, &request, &status_kind, call, e);
}

/* Whatever the machine has in the way of a service manager, its containment is what counts here. */
static int check_join(const Machine *machine, const SessionRequest *request, Error *e) {
        if (machine->class == MACHINE_HOST)
                return error_set(e, EOPNOTSUPP, "nothing can join the host, which is no machine");
        if (!request->args || !request->args[0] || !*request->args[0])
                return error_set(e, EINVAL, "there is no command");
        if (*request->cwd && !path_is_absolute_clean(request->cwd))
                return error_set(e, EINVAL, "'%.64s' is not an absolute path of a directory",
                                 request->cwd);
        return 0;
}

static int exec_in_machine(Manager *m, Machine *machine, SessionRequest *request,
                           const OperationKind *kind, const char *types, sd_bus_message *call,
                           Error *e) {
        int r = op_read(call, e, "ss", &request->user, &request->cwd);

        request->path = "";
        if (r < 0)
                return r;
        if (sd_bus_message_read_strv(call, &request->args) < 0 ||
            sd_bus_message_read_strv(call, &request->environment) < 0)
                return error_set(e, EINVAL, "the arguments cannot be read");
        r = request->kind == SESSION_RUN
                    ? op_read(call, e, types, request->stdio, request->stdio + 1,
                              request->stdio + 2)
                    : op_read(call, e, types, &request->rows, &request->columns);
        if (r >= 0)
                r = check_join(machine, request, e);
        if (r < 0)
                return r;
        if (!*request->user)
                request->user = "root";
        if (!*request->cwd)
                request->cwd = NULL;
        /* What is executed, for the questions that are asked about it. */
        request->path = request->args[0];
        r = check_strings(request, e);
        if (r >= 0)
                r = authorize_shell(m, machine, request, call, e);
        return r <= 0 ? r : start(m, kind, machine, request, call, e);
}

int op_exec(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        _cleanup_(request_done) SessionRequest request = { .kind = SESSION_RUN,
                                                           .joins = true,
                                                           .wants_status = true };

        return exec_in_machine(m, machine, &request, &run_kind, "hhh", call, e);
}

int op_exec_on_terminal(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        _cleanup_(request_done) SessionRequest request = { .kind = SESSION_SHELL,
                                                           .joins = true,
                                                           .wants_status = true };

        return exec_in_machine(m, machine, &request, &status_kind, "qq", call, e);
}
