/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine: the processes that go through the steps, and what they say to each other. The steps are
 * listed in steps-*.c. */
#include "spawn/engine.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/proc.h"
#include "spawn/bound-user.h"
#include "spawn/oci-hooks.h"
#include "spawn/oci-listener.h"
#include "spawn/oci-join.h"
#include "spawn/oci-payload.h"
#include "spawn/payload.h"
#include "spawn/register.h"
#include "spawn/steps.h"
#include "spawn/userns.h"

/* In the children. */

_noreturn_ static void give_up(Engine *g, int status, const Error *e) {
        if (status != 0)
                (void) handshake_send_id(g->run.handshake_fd, RUN_ID_EXIT, (uint64_t) status);
        (void) handshake_send_error(g->run.handshake_fd, e);
        _exit(EXIT_SETUP);
}

/* The kernel would only say that an argument is invalid. */
static int check_mapped(const Engine *g, const User *u, Error *e) {
        const IdRanges *map = &g->plan.ids.map;
        uint32_t outside;

        if (map->n == 0)
                return 0;
        if (id_ranges_to_outside(map, u->uid, &outside) < 0)
                return error_set(e, ENXIO, "the machine has no user %u, who is '%s' in the image",
                                 u->uid, u->name);
        for (size_t i = 0; i < u->n_groups; i++)
                if (id_ranges_to_outside(map, u->groups[i], &outside) < 0)
                        return error_set(e, ENXIO, "the machine has no group %u, which '%s' is in",
                                         u->groups[i], u->name);
        return 0;
}

static int find_user(const Engine *g, User *ret, Error *e) {
        const Spec *s = g->spec;

        if (s->oci)
                return oci_payload_user(s, &g->run, ret, e);
        if (s->user || (!s->argv && s->start != START_BOOT)) {
                int r = users_find(g->run.root_fd, s->user ? s->user : "root", ret, e);
                return r < 0 ? r : check_mapped(g, ret, e);
        }

        ret->name = strdup("root");
        ret->home = strdup("/root");
        return ret->name && ret->home ? 0 : error_oom(e);
}

/* The payload of a stub is its child; the stub itself stays root with the machine's capabilities. Until
 * it is confined and has closed the last of our descriptors, among them the gate, nothing that could
 * look at it or trace it may run. */
static int run_stub(Engine *g, int init_fd, Error *e) {
        User root = {};
        int r, gate[2];
        char byte;

        if (pipe2(gate, O_CLOEXEC) < 0)
                return error_set(e, errno, "cannot make a pipe: %m");
        pid_t pid = fork();
        if (pid < 0)
                return error_set(e, errno, "cannot fork: %m");
        if (pid == 0) {
                (void) close(gate[1]);
                while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
                        ;
                return fd_close(gate[0]), 0;
        }

        r = payload_confine(g->spec, &g->plan, &root, &g->run, e);
        if (r >= 0) {
                r = fd_set_cloexec(gate[1], false);
                r = r < 0 ? error_set(e, r, "cannot pass on a pipe: %m")
                          : payload_execute_stub(init_fd, pid, g->plan.environment, e);
        }
        (void) kill(pid, SIGKILL);
        give_up(g, 0, e);
}

static int become_payload(Engine *g, int *ret_status, Error *e) {
        _cleanup_(user_done) User user = {};
        int init_fd = -EBADF, r = find_user(g, &user, e);

        if (r >= 0 && g->spec->user)
                r = users_make_home(g->run.root_fd, &user, e);
        if (r >= 0)
                r = limit_raise(0, g->spec->limits, e);
        if (r >= 0)
                r = init_fd = payload_open_init(e);
        if (r >= 0 && g->spec->start == START_AS_PID2)
                r = run_stub(g, init_fd, e);
        if (r >= 0)
                r = payload_session(g->spec, &g->run, e);
        if (r >= 0 && g->spec->oci)
                oci_payload_prepare(g->spec, &user, &g->run);
        if (r >= 0 && g->spec->stays)
                r = payload_outlive_parent(e);
        if (r >= 0)
                r = payload_confine(g->spec, &g->plan, &user, &g->run, e);
        if (r >= 0)
                r = payload_execute(g->spec, &g->plan, &user, &g->run, init_fd, ret_status, e);
        return r;
}

/* Tells the supervisor that @done is, and waits until it has gone through @next. */
static int wait_for(Engine *g, Phase done, Phase next, Error *e) {
        Run *run = &g->run;
        int r = handshake_send_phase(run->handshake_fd, (uint32_t) done);

        if (r < 0)
                return error_set(e, r, "the supervisor went away: %m");
        for (;;) {
                HandshakeMessage m;

                r = handshake_receive(run->handshake_fd, &m);
                if (r <= 0)
                        return error_set(e, r < 0 ? r : EPIPE, "the supervisor went away: %m");
                if (m.type == HANDSHAKE_PHASE && m.number == next)
                        return 0;
                int *where = m.type != HANDSHAKE_FD        ? NULL
                             : m.number == RUN_FD_CREATING ? &run->creating_fd
                             : m.number == RUN_FD_CREATED  ? &run->created_fd
                                                           : NULL;
                if (!where) {
                        (void) fd_close(m.fd);
                        return error_set(e, EPROTO, "the supervisor sent what nobody knows");
                }
                (void) fd_close(*where);
                *where = m.fd;
        }
}

/* PID 1, from its namespaces to the payload. */
_noreturn_ static void inner_main(Engine *g) {
        Error e = {};
        int status = 0, r = steps_apply(g, PHASE_INNER, &e);

        if (r >= 0 && g->pauses)
                r = wait_for(g, PHASE_INNER, PHASE_HOOKS, &e);
        if (r >= 0)
                r = steps_apply(g, PHASE_ENTER, &e);
        if (r >= 0 && g->attaches)
                r = wait_for(g, PHASE_ENTER, PHASE_ATTACH, &e);
        if (r >= 0)
                (void) become_payload(g, &status, &e);
        give_up(g, status, &e);
}

static uint64_t machine_flags(const Engine *g) {
        return CLONE_PIDFD | CLONE_CLEAR_SIGHAND | (g->spec->share_pid ? 0 : CLONE_NEWPID) |
               (g->spec->share_uts ? 0 : CLONE_NEWUTS) | (g->spec->share_ipc ? 0 : CLONE_NEWIPC) |
               (spec_has_own_netns(g->spec) ? CLONE_NEWNET : 0) |
               (g->run.cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0);
}

/* With a user namespace: PID 1 waits until the builder has built, then goes on as root inside. */
_noreturn_ static void adopted_main(Engine *g, int builder_fd) {
        Error e = {};
        int root_fd = -EBADF;
        int r = handshake_expect(builder_fd, HANDSHAKE_FD, 0, &root_fd, NULL, &e);

        /* A builder that failed says itself why, and its end of the socket closes. */
        if (r == -EPIPE)
                _exit(EXIT_SETUP);
        if (r < 0)
                give_up(g, 0, &e);
        g->run.bounding = g->run.permitted = 0;
        (void) fd_close(g->run.root_fd);
        g->run.root_fd = root_fd;
        /* What the builder attached is not in the mount namespace that we are about to make. */
        for (size_t i = 0; i < RUN_BASES; i++)
                g->run.base_fds[i] = -EBADF;
        if (setresgid(0, 0, 0) < 0 || userns_drop_groups() < 0 || setresuid(0, 0, 0) < 0) {
                (void) error_set(&e, errno, "cannot become root of the machine: %m");
                give_up(g, 0, &e);
        }
        inner_main(g);
}

static int set_maps(Engine *g, pid_t pid, Error *e) {
        const IdPlan *ids = &g->plan.ids;
        int r = userns_write_maps(pid, &ids->map, &ids->groups, e);

        if (r < 0)
                return r;
        g->run.userns_fd = userns_open(pid, e);
        return MIN(g->run.userns_fd, 0);
}

int engine_make_first_process(Engine *g, Error *e) {
        bool joined = g->spec->joined_users;
        int pidfd = -EBADF, pair[2];
        struct clone_args args = {
                .flags = machine_flags(g) | CLONE_PARENT | (joined ? 0 : CLONE_NEWUSER),
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .cgroup = (uint64_t) MAX(g->run.cgroup_fd, 0),
        };
        int r = handshake_pair(pair);

        if (r < 0)
                return error_set(e, r, "cannot make a socket pair: %m");
        r = oci_join_pid(&g->run, true, e);
        if (r >= 0 && joined)
                r = oci_join_users(&g->run, e);
        if (r < 0)
                return r;
        pid_t pid = proc_clone3(&args);
        if (pid != 0 && !joined && (r = oci_join_pid(&g->run, false, e)) < 0)
                return r;
        if (pid == -ENOSPC)
                return error_set(e, pid,
                                 "cannot make PID 1: %m; /proc/sys/user says how many namespaces"
                                 " of each kind there may be");
        if (pid < 0)
                return error_set(e, pid, "cannot make PID 1: %m");
        if (pid == 0) {
                (void) close(pair[0]);
                adopted_main(g, pair[1]);
        }
        (void) close(pair[1]);
        g->adopted_fd = pair[0];
        g->run.leader = pid;

        r = handshake_send_fd(g->run.handshake_fd, RUN_FD_LEADER, pidfd);
        if (r < 0)
                return error_set(e, r, "cannot tell of PID 1: %m");
        return joined ? 0 : set_maps(g, pid, e);
}

/* Login sessions of the caller are not those of the machine. Not every kernel keeps account, nor lets
 * everybody change it. The file stays open: the builder ends, or executes something else. */
static int reset_login_uid(Error *e) {
        int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
        int r = fd < 0 || write(fd, "4294967295", 10) < 0 ? -errno : 0;

        return r >= 0 || r == -ENOENT || r == -EPERM || r == -EACCES || r == -EROFS
                       ? 0
                       : error_set(e, r, "cannot leave the login session: %m");
}

/* CLONE_CLEAR_SIGHAND leaves ignored what is ignored: by us, or by whoever started us. Asking which
 * those are is cheaper than resetting all 64. */
static void release_signals(Run *run) {
        char status[4096]; /* the lines are in its first kilobytes */
        const char *line = NULL, *bounding = NULL, *permitted = NULL;
        uint64_t ignored = 0;
        sigset_t none;

        int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
        if (n > 0) {
                status[n] = '\0';
                line = strstr(status, "\nSigIgn:");
                permitted = strstr(status, "\nCapPrm:");
                bounding = strstr(status, "\nCapBnd:");
        }
        /* PID 1 of a machine with users of its own has all there are. */
        if (!bounding || sscanf(bounding, "\nCapBnd: %" SCNx64, &run->bounding) != 1)
                run->bounding = 0;
        if (!permitted || sscanf(permitted, "\nCapPrm: %" SCNx64, &run->permitted) != 1)
                run->permitted = 0;
        if (!line || sscanf(line, "\nSigIgn: %" SCNx64, &ignored) != 1)
                ignored = UINT64_MAX;
        for (int i = 1; i <= 64; i++)
                if (ignored & (UINT64_C(1) << (i - 1)))
                        (void) signal(i, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

_noreturn_ static void builder_main(Engine *g) {
        Error e = {};
        int r;

        release_signals(&g->run);
        (void) umask(0);
        r = reset_login_uid(&e);
        if (r >= 0)
                r = payload_die_with_parent(&g->run, &e);
        if (r >= 0)
                r = steps_apply(g, PHASE_BUILD, &e);
        if (r >= 0 && spec_has_private_users(g->spec)) {
                r = handshake_send_fd(g->adopted_fd, 0, g->run.root_fd);
                if (r >= 0)
                        _exit(0);
                (void) error_set(&e, r, "cannot hand over the root: %m");
        }
        if (r < 0)
                give_up(g, 0, &e);
        inner_main(g);
}

/* In the supervisor. */

static int take_fd(Engine *g, HandshakeMessage *m, Error *e) {
        Run *run = &g->run;
        int *const where[RUN_FD_CREATING] = {
                [RUN_FD_LEADER] = &run->leader_fd,
                [RUN_FD_CONSOLE] = &run->console_fd,
                [RUN_FD_KMSG] = &run->kmsg_fd,
                [RUN_FD_EXPORT] = &run->export_view_fd,
        };

        if (m->number >= RUN_FD_CREATING)
                return error_set(e, EPROTO, "PID 1 sent a descriptor that nobody knows");
        (void) fd_close(*where[m->number]);
        *where[m->number] = TAKE_FD(m->fd);
        if (m->number == RUN_FD_LEADER) {
                int r = proc_pidfd_pid(run->leader_fd, &run->leader);
                return r < 0 ? error_set(e, r, "cannot tell the PID of PID 1: %m") : 0;
        }
        return 0;
}

static int answer(Engine *g, Phase phase, Error *e) {
        int r = steps_apply(g, phase, e);

        if (r < 0)
                return r;
        r = handshake_send_phase(g->run.handshake_fd, (uint32_t) phase);
        return r < 0 ? error_set(e, r, "PID 1 went away: %m") : 0;
}

static int attach(Engine *g, Error *e) {
        Run *run = &g->run;

        if (spec_has_own_netns(g->spec)) {
                char path[64];
                (void) snprintf(path, sizeof path, "/proc/%d/ns/net", run->leader);
                run->netns_fd = open(path, O_RDONLY | O_CLOEXEC);
                if (run->netns_fd < 0)
                        return error_set(e, errno, "cannot open the network namespace: %m");
        }
        return answer(g, PHASE_ATTACH, e);
}

static int take_id(Engine *g, const HandshakeMessage *m, Error *e) {
        const char *what = g->spec->argv && g->spec->start != START_BOOT ? g->spec->argv[0]
                           : g->spec->start == START_BOOT                ? "init"
                                                                         : "shell";

        if (m->number == RUN_ID_EXIT) {
                g->run.exit_status = (int) m->value;
                return 0;
        }
        if (m->number == RUN_ID_LABEL && m->value > 0 && m->value <= 4095)
                return error_set(e, (int) m->value, "cannot give the payload the label '%s': %m%s",
                                 g->spec->selinux_context ? g->spec->selinux_context
                                                          : strempty(g->spec->apparmor_profile),
                                 m->value == ENOENT ? " (is it loaded?)" : "");
        if (m->number == RUN_ID_LISTENER)
                return oci_listener_serve(g->spec, &g->run, e);
        if (m->number == RUN_ID_FILTER && m->value > 0 && m->value <= 4095)
                return error_set(e, (int) m->value, "cannot load the system call filter: %m");
        if (m->number == RUN_ID_HOOK)
                return oci_hooks_explain(m->value, e);
        if (m->number != RUN_ID_EXECUTE || m->value == 0 || m->value > 4095)
                return error_set(e, EPROTO, "PID 1 sent a number that nobody knows");
        /* It is there itself: what is not found is what executes it. */
        g->run.exit_status = m->value == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
        return error_set(e, (int) m->value, "cannot execute '%s' of the image: %m%s", what,
                         m->value == ENOENT ? " (its interpreter)" : "");
}

/* Listens until PID 1 waits for PHASE_HOOKS, the payload runs (end of file) or somebody gives up.
 * Return: LISTENED_PAUSE, 0 at the end, -errno. */
enum { LISTENED_PAUSE = 1 };
static int listen_to_children(Engine *g, Error *e) {
        /* With nothing to do for them until they have closed their end, being woken up for each message
         * would only take the processor away from them. */
        if (!g->attaches && !g->pauses && !g->run.listener)
                (void) fd_wait(g->run.handshake_fd, 0, UINT64_MAX);
        for (;;) {
                HandshakeMessage m;
                int r = handshake_receive(g->run.handshake_fd, &m);

                if (r == 0)
                        return 0;
                if (r < 0)
                        return error_set(e, r, "cannot read from PID 1: %m");
                _cleanup_fd_ int fd = m.fd;
                switch (m.type) {
                case HANDSHAKE_FD:
                        r = take_fd(g, &m, e);
                        fd = m.fd;
                        break;
                case HANDSHAKE_ID:
                        r = take_id(g, &m, e);
                        break;
                case HANDSHAKE_PHASE:
                        if (m.number == PHASE_INNER)
                                return LISTENED_PAUSE;
                        r = attach(g, e);
                        break;
                case HANDSHAKE_NOTE:
                        (void) buf_printf(&g->notes, "%s\n", m.error.text);
                        break;
                default:
                        *e = m.error;
                        return m.error.code;
                }
                if (r < 0)
                        return r;
        }
}

static int launch(Engine *g, Error *e) {
        bool two = spec_has_private_users(g->spec);
        int pidfd = -EBADF, pair[2];
        struct clone_args args = {
                /* That namespace is there already. */
                .flags = (g->run.ephemeral_fd >= 0 ? 0 : CLONE_NEWNS) | CLONE_PIDFD |
                         CLONE_CLEAR_SIGHAND | (two ? 0 : machine_flags(g)),
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = two ? 0 : (uint64_t) MAX(g->run.cgroup_fd, 0),
        };
        int r = handshake_pair(pair);

        if (r < 0)
                return error_set(e, r, "cannot make a socket pair: %m");
        g->run.handshake_fd = pair[0];
        g->attaches = steps_want(g, PHASE_ATTACH);
        g->pauses = g->spec->stays || steps_want(g, PHASE_HOOKS);
        r = two ? 0 : oci_join_pid(&g->run, true, e);
        if (r < 0)
                return r;
        pid_t pid = proc_clone3(&args);
        r = two || pid == 0 ? 0 : oci_join_pid(&g->run, false, e);
        if (r < 0)
                return r;
        if (pid < 0) {
                (void) close(pair[1]);
                return error_set(e, pid, "cannot make a process in namespaces of its own: %m");
        }
        if (pid == 0) {
                (void) close(pair[0]);
                g->run.handshake_fd = pair[1];
                builder_main(g);
        }
        (void) close(pair[1]);
        if (two)
                g->builder_fd = pidfd;
        else {
                g->run.leader = pid;
                g->run.leader_fd = pidfd;
        }
        return 0;
}

static void kill_and_reap(int pidfd) {
        if (pidfd < 0)
                return;
        (void) proc_pidfd_signal(pidfd, SIGKILL);
        (void) proc_wait(pidfd, NULL);
}

/* Its end of the socket is closed by its death, too. */
static int reap_builder(int pidfd, Error *e) {
        siginfo_t info = {};
        int r = proc_wait(pidfd, &info);

        if (r < 0)
                return error_set(e, r, "cannot learn how building the machine ended: %m");
        return info.si_code == CLD_EXITED && info.si_status == 0
                       ? 0
                       : error_set(e, EPIPE, "the process that builds the machine died");
}

void engine_init(Engine *g, const Spec *spec) {
        *g = (Engine){ .spec = spec, .run = RUN_NULL, .adopted_fd = -EBADF, .builder_fd = -EBADF };
        disk_init(&g->disk);
        stack_init(&g->stack);
}

/* Nothing runs, and nothing is left but what is made once. */
static int give_back(Engine *g, int r, int *ret_status) {
        kill_and_reap(g->builder_fd);
        g->builder_fd = fd_close(g->builder_fd);
        kill_and_reap(g->run.leader_fd);
        engine_stop(g);
        *ret_status = g->run.exit_status ? g->run.exit_status : EXIT_SETUP;
        return r;
}

static int has_started(Engine *g, Error *e) {
        int r = g->builder_fd < 0 ? 0 : reap_builder(g->builder_fd, e);

        if (r < 0)
                return r;
        g->builder_fd = fd_close(g->builder_fd);
        g->run.root_fd = fd_close(g->run.root_fd);
        g->run.old_root_fd = fd_close(g->run.old_root_fd);
        g->run.upper_fd = fd_close(g->run.upper_fd);
        disk_unmount(&g->disk);
        stack_unmount(&g->stack);
        g->run.bound_users = bound_users_free(g->run.bound_users);
        g->prepared = true;
        return 0;
}

int engine_build(Engine *g, int *ret_status, Error *e) {
        int r = steps_apply(g, PHASE_HOST, e);

        g->run.exit_status = 0;
        if (r >= 0)
                r = launch(g, e);
        if (r >= 0)
                r = listen_to_children(g, e);
        if (r == 0) {
                g->pauses = false;
                r = has_started(g, e);
        }
        return r < 0 ? give_back(g, r, ret_status) : 0;
}

int engine_release(Engine *g, int *ret_status, Error *e) {
        if (!g->pauses)
                return 0;
        int r = answer(g, PHASE_HOOKS, e);

        g->pauses = false;
        if (r >= 0)
                r = listen_to_children(g, e);
        if (r > 0)
                r = error_set(e, EPROTO, "PID 1 waits for what has been");
        if (r >= 0)
                r = has_started(g, e);
        return r < 0 ? give_back(g, r, ret_status) : 0;
}

int engine_start(Engine *g, int *ret_status, Error *e) {
        int r = engine_build(g, ret_status, e);

        return r < 0 ? r : engine_release(g, ret_status, e);
}

void engine_leave(Engine *g) {
        g->left = true;
        g->run.leader = 0;
        g->run.leader_fd = fd_close(g->run.leader_fd);
}

void engine_release_image(Engine *g) {
        g->image_lock = image_lock_free(g->image_lock);
}

void engine_stop(Engine *g) {
        Run *run = &g->run;
        int *const fds[] = { &run->leader_fd,   &run->console_fd,   &run->kmsg_fd, &run->netns_fd,
                             &run->netns_sock,  &run->handshake_fd, &run->root_fd, &run->upper_fd,
                             &run->old_root_fd, &run->notify_fd,    &run->bus_fd,  &run->gate_fd,
                             &run->outcome_fd,  &run->watch_fd };

        steps_revert(g, false);
        disk_unmount(&g->disk);
        stack_unmount(&g->stack);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                *fds[i] = fd_close(*fds[i]);
        for (size_t i = 0; i < run->n_sources; i++)
                run->source_fds[i] = fd_close(run->source_fds[i]);
        run->leader = 0;
}

void run_done(Run *r) {
        kill_and_reap(r->leader_fd);
        oci_join_close(r);
        (void) bound_users_free(r->bound_users);
        free(r->network);
        free(r->source_fds);
        free(r->runtime);
        free(r->cgroup);
        *r = RUN_NULL;
}

void engine_done(Engine *g) {
        if (!g->left) {
                steps_revert(g, false);
                steps_revert(g, true);
        }
        run_done(&g->run);
        disk_done(&g->disk);
        stack_done(&g->stack);
        plan_done(&g->plan);
        buf_done(&g->notes);
}
