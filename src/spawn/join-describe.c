/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what somebody wants to run in a machine to the request that join.h carries out, see join-describe.h:
 * the user, the program and the environment as that machine has them. */
#include "spawn/join-describe.h"

#include <linux/sched.h>

#include "base/path.h"
#include "base/proc.h"

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

static int describe_command(const JoinCall *c, const JoinTarget *t, const User *u, JoinRequest *q,
                            Error *e) {
        if (!c->cwd && (c->at_home || !c->command)) {
                q->cwd = strdup(u->home);
                q->cwd_may_miss = true;
        } else
                q->cwd = c->cwd ? strdup(c->cwd) : NULL;
        if (!q->cwd && (c->cwd || q->cwd_may_miss))
                return error_oom(e);
        if (!c->command)
                return choose_shell(t, u, q, e);
        if (strv_copy(c->command, &q->argv) < 0 ||
            (c->program && !(q->program = strdup(c->program))))
                return error_oom(e);
        return 0;
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

static int describe_environment(const JoinCall *c, const JoinTarget *t, const User *u,
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
                r = join_environment(text, n, may_say(t, u), u, terminal, c->environment,
                                     &q->environment);
        return r < 0 ? error_oom(e) : 0;
}

int join_describe(const JoinCall *c, const JoinTarget *t, JoinRequest *q, Error *e) {
        _cleanup_(user_done) User user = {};
        int r = users_find(t->root_fd, c->user, &user, e);

        if (r == -ESRCH) /* it is the machine that "has ended" with this one */
                r = error_set(e, ENOENT, "the machine has no user '%s'", c->user);
        q->terminal = c->terminal;
        q->rows = c->rows;
        q->columns = c->columns;
        if (r >= 0)
                r = join_target_confine(t, q, e);
        if (r >= 0)
                r = describe_command(c, t, &user, q, e);
        if (r >= 0)
                r = describe_environment(c, t, &user, q, e);
        return r < 0 ? r : describe_user(&user, q);
}
