/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is to be run in a machine that runs, see join-plan.h. Asks nothing of the kernel. */
#include "spawn/join-plan.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Longer ones are no environment that somebody made on purpose. */
#define VARIABLES_MAX 4096U

void join_request_init(JoinRequest *q) {
        *q = (JoinRequest){
                .umask = 0022,
                .oom_score_adjust = OOM_SCORE_ADJUST_UNSET,
                .personality = PERSONALITY_UNSET,
                .stdio = { 0, 1, 2 },
        };
}

void join_request_done(JoinRequest *q) {
        for (size_t i = 0; i < q->n_filters; i++)
                free(q->filters[i].filter);
        free(q->filters);
        free(q->program);
        strv_free(q->argv);
        strv_free(q->environment);
        free(q->cwd);
        free(q->groups);
        free(q->apparmor);
        free(q->selinux);
        free(q->cpus);
        free(q->cgroup);
        free(q->console_socket);
        free(q->pid_file);
        join_request_init(q);
}

int join_request_add_filter(JoinRequest *q, const struct sock_filter *filter, size_t n) {
        SeccompProgram *t = reallocarray(q->filters, q->n_filters + 1, sizeof *t);

        if (!t)
                return -ENOMEM;
        q->filters = t;
        t[q->n_filters].filter = calloc(MAX(n, (size_t) 1), sizeof *filter);
        if (!t[q->n_filters].filter)
                return -ENOMEM;
        if (n > 0)
                memcpy(t[q->n_filters].filter, filter, n * sizeof *filter);
        t[q->n_filters++].n = n;
        return 0;
}

/* What is about the process that has it, and about nobody else. */
static bool is_its_own(const char *assignment) {
        static const char *const names[] = {
                "HOME",
                "USER",
                "LOGNAME",
                "SHELL",
                "MAIL",
                "TERM",
                "COLORTERM",
                "NO_COLOR",
                "PWD",
                "OLDPWD",
                "SHLVL",
                "_",
                "NOTIFY_SOCKET",
                "LISTEN_PID",
                "LISTEN_FDS",
                "LISTEN_PIDFDID",
                "LISTEN_FDNAMES",
                "WATCHDOG_PID",
                "WATCHDOG_USEC",
                "FDSTORE",
                "INVOCATION_ID",
                "JOURNAL_STREAM",
                "MANAGERPID",
                "MANAGERPIDFDID",
                "MAINPID",
                "MONITOR_METADATA",
                "XDG_SESSION_ID",
                "XDG_RUNTIME_DIR",
        };
        size_t n = strcspn(assignment, "=");

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i]) == n && memcmp(names[i], assignment, n) == 0)
                        return true;
        return false;
}

static int take_leader(const char *text, size_t n, char ***env) {
        unsigned seen = 0;

        for (size_t at = 0; at < n && seen < VARIABLES_MAX; seen++) {
                size_t length = strnlen(text + at, n - at);
                _cleanup_free_ char *s = strndup(text + at, length);

                if (!s)
                        return -ENOMEM;
                at += length + 1;
                if (env_assignment_is_valid(s) && !is_its_own(s) && strv_env_set(env, s) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int join_environment(const char *leader, size_t n, bool inherits, const User *user,
                     char *const *terminal, char *const *add, char ***ret) {
        _cleanup_strv_ char **env = NULL;
        const struct {
                const char *name, *value;
        } missing[] = {
                { "PATH", DEFAULT_PATH },
                { "HOME", user->home },
                { "USER", user->name },
                { "LOGNAME", user->name },
                { "SHELL", user->shell ? user->shell : "/bin/sh" },
        };
        int r = inherits ? take_leader(leader, n, &env) : 0;

        STRV_FOREACH(s, terminal)
                if (r >= 0)
                        r = strv_env_set(&env, *s);
        STRV_FOREACH(s, add)
                if (r >= 0)
                        r = strv_env_set(&env, *s);
        for (size_t i = 0; i < ELEMENTSOF(missing) && r >= 0; i++)
                if (!strv_env_get(env, missing[i].name))
                        r = strv_append_format(&env, "%s=%s", missing[i].name, missing[i].value);
        if (r >= 0)
                *ret = TAKE_PTR(env);
        return r;
}
