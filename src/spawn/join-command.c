/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-spawn --join=, see join-command.h. */
#include "spawn/join-command.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <unistd.h>

#include "base/path.h"
#include "base/proc.h"
#include "spawn/join-relay.h"
#include "spawn/join.h"
#include "spawn/plan.h"

/* A login shell is told so by a '-' before its name. */
static int choose_shell(const JoinTarget *t, const User *u, JoinRequest *q, Error *e) {
        const char *shells[] = { u->shell, "/bin/bash", "/bin/sh" };

        for (size_t i = 0; i < ELEMENTSOF(shells); i++) {
                _cleanup_fd_ int fd = shells[i]
                                              ? path_open_in_root(t->root_fd, shells[i], O_PATH, 0)
                                              : -ENOENT;
                if (fd < 0 && i + 1 < ELEMENTSOF(shells))
                        continue;
                q->program = strdup(shells[i]);
                return !q->program || strv_append_format(&q->argv, "-%s", path_last(shells[i])) < 0
                               ? error_oom(e)
                               : 0;
        }
        return 0;
}

static int describe_command(const Spec *spec, const JoinTarget *t, const User *u, JoinRequest *q,
                            Error *e) {
        if (!spec->argv) {
                q->cwd = strdup(spec->working_directory ? spec->working_directory : u->home);
                q->cwd_may_miss = !spec->working_directory;
                return q->cwd ? choose_shell(t, u, q, e) : error_oom(e);
        }
        if (spec->working_directory && !(q->cwd = strdup(spec->working_directory)))
                return error_oom(e);
        return strv_copy(spec->argv, &q->argv) < 0 ? error_oom(e) : 0;
}

static int describe_user(User *u, JoinRequest *q) {
        q->uid = u->uid;
        q->gid = u->gid;
        q->groups = TAKE_PTR(u->groups);
        q->n_groups = u->n_groups;
        u->n_groups = 0;
        if (u->uid != 0)
                q->capabilities.permitted = q->capabilities.effective = 0;
        return 0;
}

/* Who is less than the command may not have a say in what it runs with: a library to load, for one. */
static bool may_say(const JoinTarget *t, const User *u) {
        _cleanup_(idmap_done) IdMap map = {};
        uint32_t inside;

        if (t->limits.uid == u->uid && !(t->clone & CLONE_NEWUSER))
                return true;
        if (idmap_read(t->pid, "uid_map", &map) < 0 ||
            idmap_to_inside(&map, t->limits.uid, &inside) < 0)
                return false;
        return inside == 0 || inside == u->uid;
}

static int describe_environment(const Spec *spec, const JoinTarget *t, const User *u,
                                JoinRequest *q, Error *e) {
        static const char *const names[] = { "COLORTERM", "NO_COLOR" };
        _cleanup_strv_ char **terminal = NULL;
        _cleanup_free_ char *text = NULL;
        const char *term = getenv("TERM");
        size_t n = 0;
        int r = join_target_environment(t, &text, &n, e);

        if (r < 0)
                return r;
        if (q->terminal)
                r = strv_append_format(&terminal, "TERM=%s",
                                       term && !streq(term, "dumb") ? term : "vt220");
        for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0 && q->terminal; i++)
                if (getenv(names[i]))
                        r = strv_append_format(&terminal, "%s=%s", names[i], getenv(names[i]));
        if (r >= 0)
                r = join_environment(text, n, may_say(t, u), u, terminal, spec->environment,
                                     &q->environment);
        return r < 0 ? error_oom(e) : 0;
}

static bool wants_terminal(ConsoleMode mode) {
        if (mode == CONSOLE_AUTO || mode == CONSOLE_AUTOPIPE)
                return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        return mode == CONSOLE_INTERACTIVE;
}

static int describe(const Spec *spec, const JoinTarget *t, JoinRequest *q, Error *e) {
        _cleanup_(user_done) User user = {};
        int r = users_find(t->root_fd, spec->user ? spec->user : "root", &user, e);

        q->terminal = wants_terminal(spec->console);
        if (r >= 0)
                r = join_target_confine(t, q, e);
        if (r >= 0)
                r = describe_command(spec, t, &user, q, e);
        if (r >= 0)
                r = describe_environment(spec, t, &user, q, e);
        return r < 0 ? r : describe_user(&user, q);
}

int join_command(const Spec *spec, int *ret_status, Error *e) {
        _cleanup_(join_target_done) JoinTarget t = JOIN_TARGET_NULL;
        _cleanup_(join_request_done) JoinRequest q;
        _cleanup_(joined_done) Joined j = JOINED_NULL;
        _cleanup_(join_relay_done) JoinRelay relay = JOIN_RELAY_NULL;

        *ret_status = 125;
        join_request_init(&q);
        int r = join_target_open(spec->join, &t, e);
        if (r >= 0)
                r = describe(spec, &t, &q, e);
        if (r >= 0 && !q.terminal)
                r = join_relay_open(&relay, q.stdio, e);
        if (r >= 0)
                r = join_start(&t, &q, &j, ret_status, e);
        return r < 0 ? r : join_wait(&j, &relay, ret_status, e);
}
