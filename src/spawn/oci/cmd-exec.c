/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec: a further process in a container, as a document or the options describe it. Carrying that out is the
 * spawner's (spawn/join.h). */
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/path.h"
#include "spawn/join.h"
#include "spawn/oci-plan.h"
#include "spawn/oci-spec.h"
#include "spawn/oci/launch.h"

/* uid[:gid], in numbers: names are for those who look into images. */
static int set_user(const char *text, OciUser *u, Error *e) {
        _cleanup_free_ char *copy = strdup(text);
        uint32_t uid, gid = (uint32_t) u->gid.value;

        if (!copy)
                return error_oom(e);
        char *colon = strchr(copy, ':');
        if (colon)
                *colon = '\0';
        if (parse_u32(copy, &uid) < 0 || (colon && parse_u32(colon + 1, &gid) < 0))
                return error_set(e, EINVAL, "--user: '%.60s' is not UID[:GID]", text);
        u->uid = (JsonUnsigned){ true, uid };
        u->gid = (JsonUnsigned){ true, gid };
        return 0;
}

static int add_groups(char *const *list, OciUser *u, Error *e) {
        STRV_FOREACH(g, list) {
                uint32_t gid;

                if (parse_u32(*g, &gid) < 0)
                        return error_set(e, EINVAL, "--additional-gids: '%.60s' is no number", *g);
                uint64_t *v = reallocarray(u->additional_gids.v, u->additional_gids.n + 1,
                                           sizeof *v);
                if (!v)
                        return error_oom(e);
                u->additional_gids.v = v;
                v[u->additional_gids.n++] = gid;
        }
        return 0;
}

/* What is added is had by the process in all ways that its user allows. */
static int add_capabilities(char *const *list, OciProcess *p, Error *e) {
        if (!list)
                return 0;
        if (!p->capabilities && !(p->capabilities = calloc(1, sizeof *p->capabilities)))
                return error_oom(e);
        OciCapabilities *c = p->capabilities;
        char ***const sets[] = { &c->bounding, &c->effective, &c->permitted, &c->ambient,
                                 &c->inheritable };
        STRV_FOREACH(name, list)
                for (size_t i = 0; i < ELEMENTSOF(sets); i++)
                        if (!strv_contains(*sets[i], *name) && strv_append(sets[i], *name) < 0)
                                return error_oom(e);
        return 0;
}

/* The process of the container, but for what the options say. */
static int take_options(const OciOptions *o, char *const *argv, OciProcess *p, Error *e) {
        int r = 0;

        p->args = strv_free(p->args);
        p->terminal = o->terminal;
        p->console_size = (OciConsoleSize){};
        p->no_new_privileges |= o->no_new_privileges;
        if (strv_copy(argv, &p->args) < 0 || (o->cwd && str_replace(&p->cwd, o->cwd) < 0) ||
            (o->apparmor && str_replace(&p->apparmor_profile, o->apparmor) < 0) ||
            (o->label && str_replace(&p->selinux_label, o->label) < 0))
                return error_oom(e);
        STRV_FOREACH(v, o->environment)
                if (strv_env_set(&p->env, *v) < 0)
                        return error_oom(e);
        if (o->user)
                r = set_user(o->user, &p->user, e);
        if (r >= 0)
                r = add_groups(o->groups, &p->user, e);
        return r < 0 ? r : add_capabilities(o->capabilities, p, e);
}

/* Return: 0 and the process, which belongs to *@config or to *@own. */
static int find_process(const OciOptions *o, const Container *c, char *const *argv,
                        OciConfig **config, OciProcess **own, OciProcess **ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (o->process) {
                r = file_read(AT_FDCWD, o->process, OCI_DOCUMENT_MAX, &text, NULL);
                if (r < 0)
                        return error_set(e, r, "cannot read '%s': %m", o->process);
                r = oci_process_parse(text, own, e);
                if (r < 0)
                        return error_wrap(e, r, "%s", o->process);
                *ret = *own;
                (*own)->terminal |= o->terminal;
                return 0;
        }
        if (!argv[0])
                return error_set(e, EINVAL, "exec: a command or --process= is needed");
        r = launch_config(c, config, e);
        if (r < 0)
                return r;
        if (!(*config)->process)
                return error_set(e, EINVAL, "the container's document has no process");
        *ret = (*config)->process;
        return take_options(o, argv, *ret, e);
}

static int take_user(const OciUser *u, JoinRequest *q, Error *e) {
        q->uid = (uid_t) u->uid.value;
        q->gid = (gid_t) u->gid.value;
        if (u->umask.set)
                q->umask = (mode_t) u->umask.value & 07777;
        if (u->additional_gids.n == 0)
                return 0;
        q->groups = calloc(u->additional_gids.n, sizeof *q->groups);
        if (!q->groups)
                return error_oom(e);
        for (; q->n_groups < u->additional_gids.n; q->n_groups++)
                q->groups[q->n_groups] = (gid_t) u->additional_gids.v[q->n_groups];
        return 0;
}

static void take_capabilities(const OciProcess *p, JoinRequest *q) {
        PlanRights rights = {};

        oci_plan_rights(p->capabilities, &rights);
        q->capabilities = (JoinCapabilities){ .bounding = rights.bounding,
                                              .permitted = rights.permitted,
                                              .effective = rights.effective,
                                              .inheritable = rights.inheritable,
                                              .ambient = rights.ambient };
}

static int take_limits(const OciProcess *p, JoinRequest *q, Error *e) {
        for (size_t i = 0; i < LIMITS_MAX; i++)
                q->limits[i].given = false;
        return oci_spec_limits(p, q->limits, e);
}

static int take_strings(const OciOptions *o, const OciProcess *p, JoinRequest *q, Error *e) {
        const struct {
                char **to;
                const char *from;
        } rows[] = {
                { &q->cwd, p->cwd },
                { &q->apparmor, p->apparmor_profile },
                { &q->selinux, p->selinux_label },
                { &q->cgroup, o->cgroup },
                { &q->console_socket, o->console_socket },
                { &q->pid_file, o->pid_file },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].from && *rows[i].from && str_replace(rows[i].to, rows[i].from) < 0)
                        return error_oom(e);
        return strv_copy(p->args, &q->argv) < 0 || strv_copy(p->env, &q->environment) < 0
                       ? error_oom(e)
                       : 0;
}

/* Where we run until we have joined, and where the command does. */
static int take_cpus(const OciExecAffinity *a, JoinRequest *q, Error *e) {
        _cleanup_free_ CpuSet *first = NULL, *last = NULL;
        int r = resource_setting_cpus(NULL, strempty(a->initial), &first, e);

        if (r >= 0)
                r = resource_setting_cpus(NULL, strempty(a->final), &last, e);
        if (r < 0)
                return error_wrap(e, r, "process.execCPUAffinity");
        if (first && sched_setaffinity(0, sizeof *first, (const cpu_set_t *) first) < 0)
                return error_set(e, errno, "process.execCPUAffinity.initial: cannot set it: %m");
        if (last) {
                free(q->cpus);
                q->cpus = TAKE_PTR(last);
        }
        return 0;
}

static int describe(const OciOptions *o, const JoinTarget *t, const OciProcess *p, JoinRequest *q,
                    Error *e) {
        int r;

        if (!p->args || !p->args[0])
                return error_set(e, EINVAL, "process.args: missing, so there is nothing to run");
        r = join_target_confine(t, q, e);
        if (r < 0)
                return r;
        take_capabilities(p, q);
        q->no_new_privileges = p->no_new_privileges;
        q->terminal = p->terminal;
        q->rows = (unsigned short) p->console_size.height.value;
        q->columns = (unsigned short) p->console_size.width.value;
        if (p->oom_score_adj.set)
                q->oom_score_adjust = (int) p->oom_score_adj.value;
        q->n_pass = listen_fds_get().n + o->preserve_fds;
        q->detached = o->detach;
        r = take_user(&p->user, q, e);
        if (r >= 0)
                r = take_cpus(&p->exec_affinity, q, e);
        if (r >= 0)
                r = take_limits(p, q, e);
        return r < 0 ? r : take_strings(o, p, q, e);
}

static int check_status(const OciOptions *o, Container *c, Error *e) {
        OciStatus status;
        int r = container_status(c, &status, e);

        if (r < 0)
                return r;
        if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
                return error_set(e, ESRCH, "cannot exec in a %s container",
                                 oci_status_name(status));
        return status == OCI_STATUS_PAUSED && !o->ignore_paused
                       ? error_set(e, EBUSY,
                                   "cannot exec in a paused container (use --ignore-paused to"
                                   " override)")
                       : 0;
}

static int check_terminal(const OciOptions *o, const OciProcess *p, Error *e) {
        if (p->terminal && o->detach && !o->console_socket)
                return error_set(e, EINVAL, "cannot allocate tty without setting console socket");
        if (o->console_socket && !p->terminal)
                return error_set(e, EINVAL,
                                 "cannot use console socket without a tty to send to it");
        return 0;
}

static int exec(Oci *oci, char *const *args, JoinRequest *q, int *ret_status, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        _cleanup_(oci_config_freep) OciConfig *config = NULL;
        _cleanup_(oci_process_freep) OciProcess *own = NULL;
        _cleanup_(join_target_done) JoinTarget t = JOIN_TARGET_NULL;
        _cleanup_(join_relay_done) JoinRelay relay = JOIN_RELAY_NULL;
        _cleanup_(joined_done) Joined j = JOINED_NULL;
        const OciOptions *o = &oci->o;
        ListenFds listen = listen_fds_get();
        OciProcess *p = NULL;
        int failed, r = launch_check_preserved(o->preserve_fds, &listen, e);

        if (r >= 0)
                r = container_open(o->root, args[0], &c, e);
        if (r >= 0)
                r = check_status(o, &c, e);
        if (r >= 0)
                r = find_process(o, &c, args + 1, &config, &own, &p, e);
        if (r >= 0)
                r = check_terminal(o, p, e);
        if (r >= 0)
                r = join_target_open_pid((pid_t) c.state.pid.value, TAKE_FD(c.pidfd), c.id, &t, e);
        if (r >= 0)
                r = describe(o, &t, p, q, e);
        if (r >= 0 && !q->terminal && !q->detached)
                r = join_relay_open(&relay, q->stdio, e);
        if (r >= 0)
                r = join_start(&t, q, &j, &failed, e);
        return r < 0 || q->detached ? r : join_wait(&j, &relay, ret_status, e);
}

int oci_exec(Oci *oci, char *const *args, Error *e) {
        _cleanup_(join_request_done) JoinRequest q;
        int status = 0, r;

        join_request_init(&q);
        r = exec(oci, args, &q, &status, e);
        if (r >= 0)
                return status;
        (void) error_wrap(e, r, "exec failed");
        log_error(&oci->log, e);
        return EXIT_EXEC_FAILED;
}
