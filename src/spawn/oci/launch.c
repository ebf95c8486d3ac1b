/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a bundle to a container and back to nothing, see launch.h. What is written down when: that the name is
 * taken, before anything is made; PID 1, once it is there and while it is still tied to us; that all is done, as
 * the last thing. So whoever dies on the way leaves a container that can be deleted. */
#include "spawn/oci/launch.h"

#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/proc.h"
#include "spawn/cgroup-place.h"
#include "spawn/hand-out.h"
#include "spawn/oci-cgroup.h"
#include "spawn/oci-hooks.h"
#include "spawn/oci-spec.h"
#include "spawn/oci/ready.h"
#include "spawn/userns.h"
#include "spawn/register.h"

#define FIRST_FD 3

void launch_init(Launch *l, Oci *oci) {
        *l = (Launch){ .oci = oci, .container = CONTAINER_NULL };
        spec_init(&l->spec);
        engine_init(&l->engine, &l->spec);
}

void launch_done(Launch *l) {
        engine_done(&l->engine);
        if (l->is_there) {
                ready_remove(&l->container);
                (void) container_remove(&l->container, NULL);
        }
        container_done(&l->container);
        spec_done(&l->spec);
}

/* What is not open would be given the next descriptor of ours with that number. */
int launch_check_preserved(unsigned n, const ListenFds *listen, Error *e) {
        for (unsigned i = 0; i < n; i++)
                if (fcntl((int) (FIRST_FD + listen->n + i), F_GETFD) < 0)
                        return error_set(e, errno, "cannot preserve descriptor %u: %m",
                                         FIRST_FD + listen->n + i);
        return 0;
}

static int read_document(const OciOptions *o, const char *bundle, char **ret, Error *e) {
        _cleanup_free_ char *path = o->config ? strdup(o->config)
                                              : path_join(bundle, "config.json");

        if (!path)
                return error_oom(e);
        int r = file_read(AT_FDCWD, path, OCI_DOCUMENT_MAX, ret, NULL);
        return r < 0 ? error_set(e, r, "cannot read '%s': %m", path) : 0;
}

static int name_owner(char **ret) {
        uid_t uid = getuid();

        *ret = uid == 0 ? strdup("root") : str_format("%u", uid);
        return *ret ? 0 : -ENOMEM;
}

static int copy_annotations(const JsonPairs *from, JsonPairs *to) {
        if (from->n == 0)
                return 0;
        to->v = calloc(from->n, sizeof *to->v);
        if (!to->v)
                return -ENOMEM;
        for (; to->n < from->n; to->n++) {
                JsonPair *p = to->v + to->n;

                p->name = strdup(from->v[to->n].name);
                p->value = strdup(from->v[to->n].value);
                if (!p->name || !p->value) {
                        free(p->name);
                        free(p->value);
                        return -ENOMEM;
                }
        }
        return 0;
}

static int describe(const OciConfig *config, const char *bundle, OciState *s, Error *e) {
        char stamp[OCI_TIME_MAX];
        struct timeval now;

        (void) gettimeofday(&now, NULL);
        (void) oci_time_format((uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_usec, stamp);
        s->version = strdup(config->version);
        s->bundle = strdup(bundle);
        s->rootfs = config->root->path[0] == '/' ? strdup(config->root->path)
                                                 : path_join(bundle, config->root->path);
        s->created = strdup(stamp);
        return s->version && s->bundle && s->rootfs && s->created && name_owner(&s->owner) >= 0 &&
                               copy_annotations(&config->annotations, &s->annotations) >= 0
                       ? 0
                       : error_oom(e);
}

static int set_spec(Launch *l, const char *id, bool gated, Error *e) {
        const OciOptions *o = &l->oci->o;
        Spec *s = &l->spec;

        s->stays = true;
        s->register_mode = REGISTER_NO;
        s->preserve_fds = o->preserve_fds;
        s->keep_keyring = o->keep_keyring;
        s->console = gated || o->detach || o->console_socket ? CONSOLE_PASSIVE
                                                             : CONSOLE_INTERACTIVE;
        return str_replace(&s->machine, id) < 0 ||
                               str_replace(&s->oci_bundle, l->container.state.bundle) < 0
                       ? error_oom(e)
                       : 0;
}

/* Nobody else could ever get at the terminal of a container that nobody waits for. */
static int check_terminal(const OciOptions *o, const OciConfig *config, bool gated, Error *e) {
        bool terminal = config->process && config->process->terminal, leaves = gated || o->detach;

        if (terminal && leaves && !o->console_socket)
                return error_set(e, EINVAL, "cannot allocate tty without setting console socket");
        if (o->console_socket && !(terminal && leaves))
                return error_set(e, EINVAL,
                                 "cannot use console socket without a tty to send to it,"
                                 " or when waiting for the container");
        return 0;
}

/* Where its group will be; that of a scope is known once there is one. */
static int place(Launch *l, Error *e) {
        const char *where = l->spec.oci->linux_.cgroups_path;
        OciState *state = &l->container.state;
        const OciOptions *o = &l->oci->o;
        int r = 0, manager = o->manager;

        l->spec.no_cgroup = manager == OCI_MANAGER_DISABLED;
        l->spec.cgroup_optional = o->rootless == OCI_ROOTLESS_TRUE ||
                                  (o->rootless == OCI_ROOTLESS_AUTO && !userns_is_first());
        if (!l->spec.no_cgroup)
                r = oci_cgroup_fill(&l->spec, where, state->id, manager == OCI_MANAGER_SYSTEMD, e);
        if (r < 0)
                return r;
        return (l->spec.cgroup && str_replace(&state->cgroup, l->spec.cgroup) < 0) ||
                               (l->spec.scope && str_replace(&state->scope, l->spec.scope) < 0)
                       ? error_oom(e)
                       : 0;
}

/* Before anything is made: what can be known of the container is written down, with its document. */
static int prepare(Launch *l, const char *id, bool gated, Error *e) {
        _cleanup_(oci_config_freep) OciConfig *config = NULL;
        _cleanup_(buf_done) Buf notes = {};
        _cleanup_free_ char *text = NULL, *bundle = NULL;
        const OciOptions *o = &l->oci->o;
        int r = o->bundle ? ((bundle = strdup(o->bundle)) ? 0 : -ENOMEM)
                          : path_absolute(".", &bundle);

        if (r < 0)
                return error_set(e, r, "cannot find the bundle: %m");
        r = read_document(o, bundle, &text, e);
        if (r >= 0)
                r = oci_config_parse(text, &config, e);
        if (r < 0)
                return error_wrap(e, r, "config.json");
        if (!config->root)
                return error_set(e, EINVAL, "config.json: root: missing");
        r = check_terminal(o, config, gated, e);
        if (r >= 0)
                r = container_make(o->root, id, &l->container, e);
        if (r < 0)
                return r;
        l->is_there = true;
        r = describe(config, bundle, &l->container.state, e);
        if (r >= 0 && gated)
                r = ready_prepare(&l->container, o->root, config, e);
        if (r >= 0)
                r = set_spec(l, id, gated, e);
        if (r >= 0)
                r = oci_spec_fill(&l->spec, TAKE_PTR(config), &notes, e);
        if (r < 0)
                return r;
        l->spec.hooks = &l->spec.oci->hooks;
        log_lines(&l->oci->log, &notes);
        r = file_write(l->container.dir_fd, CONTAINER_CONFIG, text, O_CREAT | O_EXCL, 0600);
        return r < 0 ? error_set(e, r, "cannot keep config.json: %m") : 0;
}

/* Its process is there, and tied to us until we say that this is written down. */
static int take_leader(Launch *l, Error *e) {
        Run *run = &l->engine.run;
        Container *c = &l->container;
        int r = container_take_leader(c, run->leader, run->leader_fd, e);

        c->state.shares_pids = l->spec.share_pid;
        if (r >= 0 && str_replace(&c->state.cgroup, run->cgroup) < 0)
                r = error_oom(e);
        return r < 0 ? r : container_save(c, e);
}

static int hand_out(Launch *l, Error *e) {
        const OciOptions *o = &l->oci->o;
        Run *run = &l->engine.run;
        int r = o->console_socket ? hand_out_terminal(o->console_socket, run->console_fd, e) : 0;

        if (r >= 0 && o->pid_file)
                r = hand_out_pid(o->pid_file, run->leader, e);
        return r;
}

int launch_create(Launch *l, const char *id, bool gated, Error *e) {
        const OciOptions *o = &l->oci->o;
        ListenFds listen = listen_fds_get();
        Container *c = &l->container;
        Run *run = &l->engine.run;
        int status, r = launch_check_preserved(o->preserve_fds, &listen, e);

        if (r >= 0)
                r = prepare(l, id, gated, e);
        if (r >= 0)
                r = place(l, e);
        if (r >= 0)
                r = container_save(c, e);
        if (r >= 0 && gated)
                r = container_make_gate(c, &run->gate_fd, &run->outcome_fd, e);
        if (r < 0)
                return r;
        run->oci_state = &c->state;
        /* Hooks that look for the container's root in its mount namespace find it where the document has it. */
        run->runtime = strdup(l->spec.directory);
        if (!run->runtime)
                return error_oom(e);
        r = engine_build(&l->engine, &status, e);
        if (r >= 0)
                r = take_leader(l, e);
        if (r >= 0)
                r = engine_release(&l->engine, &status, e);
        if (r >= 0)
                r = hand_out(l, e);
        if (r >= 0 && gated && !proc_pidfd_is_alive(run->leader_fd))
                r = error_set(e, ESRCH, "the container's first process was killed");
        if (r < 0)
                return r;
        log_lines(&l->oci->log, &l->engine.notes);
        c->state.is_made = true;
        return container_save(c, e);
}

void launch_leave(Launch *l) {
        engine_leave(&l->engine);
        l->is_there = false;
}

int launch_config(const Container *c, OciConfig **ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        int r = file_read(c->dir_fd, CONTAINER_CONFIG, OCI_DOCUMENT_MAX, &text, NULL);

        if (r < 0)
                return error_set(e, r, "cannot read the document of '%s': %m", c->id);
        r = oci_config_parse(text, ret, e);
        return r < 0 ? error_wrap(e, r, "document of '%s'", c->id) : 0;
}

int launch_poststart(Oci *oci, Container *c, const OciConfig *config, Error *e) {
        _cleanup_(buf_done) Buf notes = {};

        if (oci_hooks_run_all(&config->hooks.poststart, "poststart", &c->state, OCI_STATUS_RUNNING,
                              &notes) < 0)
                return error_oom(e);
        log_lines(&oci->log, &notes);
        return 0;
}

int launch_remove(Oci *oci, Container *c, Error *e) {
        _cleanup_(oci_config_freep) OciConfig *config = NULL;
        _cleanup_(buf_done) Buf notes = {};
        bool was_made = c->state.is_made;
        int r;

        /* Without its document there are no hooks to run, but there is still something to remove. */
        if (was_made)
                (void) launch_config(c, &config, NULL);
        if (c->state.scope)
                register_stop_scope(c->state.scope);
        if (c->state.cgroup)
                cgroup_place_remove(c->state.cgroup);
        ready_remove(c);
        r = container_remove(c, e);
        if (r < 0)
                return r;
        if (config && oci_hooks_run_all(&config->hooks.poststop, "poststop", &c->state,
                                        OCI_STATUS_STOPPED, &notes) < 0)
                return error_oom(e);
        log_lines(&oci->log, &notes);
        return 0;
}
