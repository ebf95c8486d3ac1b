/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine: one table of steps, and the processes that go through it. What a step does is in the
 * room that it is named after. */
#include "spawn/engine.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/path.h"
#include "base/proc.h"
#include "spawn/cgroup-place.h"
#include "spawn/keeper.h"
#include "spawn/mount.h"
#include "spawn/network.h"
#include "spawn/payload.h"
#include "spawn/register.h"
#include "spawn/root.h"
#include "spawn/runtime.h"
#include "spawn/userns.h"

typedef struct Step {
        const char *name;
        Phase phase;
        bool once; /* stays as it is when the payload reboots */
        bool (*wanted)(const Spec *spec);
        int (*apply)(Engine *g, Error *e);
        void (*revert)(Engine *g);
} Step;

/* PHASE_HOST */

static int apply_runtime(Engine *g, Error *e) {
        return runtime_apply(g->spec, &g->run, e);
}

static void revert_runtime(Engine *g) {
        runtime_revert(g->spec, &g->run);
}

static int apply_image_lock(Engine *g, Error *e) {
        bool shared = g->spec->read_only || g->spec->ephemeral;
        int r = image_lock(g->spec->directory, !shared, &g->image_lock, e);

        if (r == IMAGE_LOCK_BUSY)
                return error_set(e, EBUSY, "'%s' is in use by somebody else", g->spec->directory);
        return r;
}

static void revert_image_lock(Engine *g) {
        g->image_lock = image_lock_free(g->image_lock);
}

static int apply_root_open(Engine *g, Error *e) {
        return root_open(g->spec, &g->run, e);
}

static int apply_plan(Engine *g, Error *e) {
        _cleanup_(facts_done) Facts facts = {};
        IdPlan ids;
        int r = id_plan_apply(g->spec, &g->run, &ids, e);

        if (r >= 0)
                r = facts_read(g->spec, &g->run, &facts, e);
        if (r >= 0)
                r = plan_make(g->spec, &facts, &ids, &g->plan, e);
        g->run.uuid = facts.uuid;
        return r;
}

static void revert_plan(Engine *g) {
        id_plan_release(&g->run);
}

static bool wants_ephemeral(const Spec *spec) {
        return spec->ephemeral;
}

static int apply_ephemeral(Engine *g, Error *e) {
        return root_prepare_ephemeral(&g->plan.ids, &g->run, e);
}

static int apply_scope(Engine *g, Error *e) {
        return register_scope(g->spec, &g->run, e);
}

static void revert_scope(Engine *g) {
        register_scope_release(&g->run);
}

static int apply_cgroup(Engine *g, Error *e) {
        _cleanup_(buf_done) Buf missing = {};
        int r = cgroup_place_apply(g->spec, &g->run, &missing, e);

        if (r >= 0)
                r = runtime_note_cgroup(&g->run, e);
        if (r >= 0 && missing.n > 0)
                (void) buf_printf(&g->notes, "controllers that the machine cannot have: %s\n",
                                  missing.p);
        return r;
}

static void revert_cgroup(Engine *g) {
        cgroup_place_revert(&g->run);
}

static int apply_keeper(Engine *g, Error *e) {
        return keeper_prepare(g->spec, &g->run, e);
}

static int apply_sources(Engine *g, Error *e) {
        return mount_open_sources(&g->plan.mounts, &g->run, e);
}

/* PHASE_BUILD */

static int apply_user_namespace(Engine *g, Error *e);

static int apply_isolation(Engine *g, Error *e) {
        return root_isolate(g->spec, &g->run, e);
}

static int apply_pins(Engine *g, Error *e) {
        return root_pin_api(&g->run, e);
}

static int apply_root(Engine *g, Error *e) {
        return root_attach(g->spec, &g->plan.ids, &g->run, e);
}

static int apply_outer_mounts(Engine *g, Error *e) {
        return mount_apply(&g->plan.mounts, PHASE_BUILD, &g->plan.dev, &g->plan.run, &g->run, e);
}

/* PHASE_INNER */

static int apply_adoption(Engine *g, Error *e) {
        return root_adopt(&g->run, e);
}

static int apply_cgroup_namespace(Engine *g, Error *e) {
        (void) g;
        return unshare(CLONE_NEWCGROUP) < 0
                       ? error_set(e, errno, "cannot make a control group namespace: %m")
                       : 0;
}

static int apply_host_name(Engine *g, Error *e) {
        const char *name = g->spec->hostname ? g->spec->hostname : g->spec->machine;

        return sethostname(name, strlen(name)) < 0
                       ? error_set(e, errno, "cannot set the host name '%s': %m", name)
                       : 0;
}

static int apply_loopback(Engine *g, Error *e) {
        struct ifreq request = { .ifr_name = "lo" };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void) g;
        if (fd < 0)
                return error_set(e, errno, "cannot make a socket: %m");
        request.ifr_flags = IFF_UP | IFF_RUNNING;
        return ioctl(fd, SIOCSIFFLAGS, &request) < 0
                       ? error_set(e, errno, "cannot bring up 'lo': %m")
                       : 0;
}

static int apply_inner_mounts(Engine *g, Error *e) {
        return mount_apply(&g->plan.mounts, PHASE_INNER, &g->plan.dev, &g->plan.run, &g->run, e);
}

static int apply_terminal(Engine *g, Error *e) {
        int r = payload_terminal(&g->run, e);

        if (r < 0)
                return r;
        r = handshake_send_fd(g->run.handshake_fd, RUN_FD_CONSOLE, g->run.console_fd);
        return r < 0 ? error_set(e, r, "cannot hand out the terminal: %m") : 0;
}

/* Somebody must hold the FIFO open, or whoever reads /proc/kmsg would spin on its end. */
static int apply_kmsg(Engine *g, Error *e) {
        _cleanup_fd_ int fd = path_open_beneath(g->run.root_fd, "run/host/proc-kmsg",
                                                O_RDWR | O_NONBLOCK | O_NOCTTY, 0);
        int r = fd;

        if (r >= 0)
                r = handshake_send_fd(g->run.handshake_fd, RUN_FD_KMSG, fd);
        return r < 0 ? error_set(e, r, "cannot open the FIFO for /proc/kmsg: %m") : 0;
}

static int apply_pivot(Engine *g, Error *e) {
        return root_pivot(&g->run, e);
}

/* PHASE_ATTACH */

static int apply_network(Engine *g, Error *e) {
        return network_apply(g->spec, &g->run, e);
}

static void revert_network(Engine *g) {
        network_revert(g->spec, &g->run);
}

static int apply_handover(Engine *g, Error *e) {
        (void) e;
        register_scope_release(&g->run);
        return 0;
}

static int apply_registration(Engine *g, Error *e) {
        int r = register_apply(g->spec, &g->run, e);

        if (r == REGISTER_WITHOUT)
                (void) buf_printf(&g->notes, "the machine is not registered: %s\n", e->text);
        return MIN(r, 0);
}

static void revert_registration(Engine *g) {
        register_revert(g->spec, &g->run);
}

static const Step steps[] = {
        { "runtime file", PHASE_HOST, true, NULL, apply_runtime, revert_runtime },
        { "image lock", PHASE_HOST, true, NULL, apply_image_lock, revert_image_lock },
        { "root directory", PHASE_HOST, false, NULL, apply_root_open, NULL },
        { "plan", PHASE_HOST, true, NULL, apply_plan, revert_plan },
        { "upper layer", PHASE_HOST, true, wants_ephemeral, apply_ephemeral, NULL },
        { "scope", PHASE_HOST, false, register_wants_scope, apply_scope, revert_scope },
        { "control group", PHASE_HOST, false, NULL, apply_cgroup, revert_cgroup },
        { "keeper", PHASE_HOST, false, NULL, apply_keeper, NULL },
        { "sources of mounts", PHASE_HOST, false, NULL, apply_sources, NULL },

        { "mount isolation", PHASE_BUILD, false, NULL, apply_isolation, NULL },
        { "user namespace", PHASE_BUILD, false, spec_has_private_users, apply_user_namespace,
          NULL },
        { "API pins", PHASE_BUILD, false, spec_has_private_users, apply_pins, NULL },
        { "root mount", PHASE_BUILD, false, NULL, apply_root, NULL },
        { "outer mounts", PHASE_BUILD, false, NULL, apply_outer_mounts, NULL },

        { "mount namespace", PHASE_INNER, false, spec_has_private_users, apply_adoption, NULL },
        { "control group namespace", PHASE_INNER, false, NULL, apply_cgroup_namespace, NULL },
        { "host name", PHASE_INNER, false, NULL, apply_host_name, NULL },
        { "loopback", PHASE_INNER, false, spec_has_private_network, apply_loopback, NULL },
        { "inner mounts", PHASE_INNER, false, NULL, apply_inner_mounts, NULL },
        { "terminal", PHASE_INNER, false, spec_has_terminal, apply_terminal, NULL },
        { "kernel log", PHASE_INNER, false, NULL, apply_kmsg, NULL },
        { "pivot", PHASE_INNER, false, NULL, apply_pivot, NULL },

        { "network", PHASE_ATTACH, false, network_wants, apply_network, revert_network },
        { "scope handover", PHASE_ATTACH, false, register_wants_scope, apply_handover, NULL },
        { "registration", PHASE_ATTACH, false, register_wants, apply_registration,
          revert_registration },
};

static bool step_is_wanted(const Step *t, const Engine *g, Phase phase) {
        return t->phase == phase && !(t->once && g->prepared) && (!t->wanted || t->wanted(g->spec));
}

static int apply_phase(Engine *g, Phase phase, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                if (!step_is_wanted(steps + i, g, phase))
                        continue;
                int r = steps[i].apply(g, e);
                if (r < 0)
                        return error_wrap(e, r, "%s", steps[i].name);
        }
        return 0;
}

static bool wants_phase(const Engine *g, Phase phase) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (step_is_wanted(steps + i, g, phase))
                        return true;
        return false;
}

/* Takes back what the steps did; each revert does nothing if its step did not. */
static void revert_steps(Engine *g, bool once_too) {
        for (size_t i = ELEMENTSOF(steps); i > 0; i--)
                if (steps[i - 1].revert && (once_too || !steps[i - 1].once))
                        steps[i - 1].revert(g);
}

/* In the children. */

_noreturn_ static void give_up(Engine *g, int status, const Error *e) {
        if (status != 0)
                (void) handshake_send_id(g->run.handshake_fd, RUN_ID_EXIT, (uint64_t) status);
        (void) handshake_send_error(g->run.handshake_fd, e);
        _exit(EXIT_SETUP);
}

static int find_user(const Engine *g, User *ret, Error *e) {
        const Spec *s = g->spec;

        if (s->user || (!s->argv && s->start != START_BOOT))
                return users_find(g->run.root_fd, s->user ? s->user : "root", ret, e);

        ret->name = strdup("root");
        ret->home = strdup("/root");
        return ret->name && ret->home ? 0 : error_oom(e);
}

/* The payload of a stub is its child; the stub itself stays root with the machine's capabilities. */
static int run_stub(Engine *g, int init_fd, Error *e) {
        User root = {};
        int r;
        pid_t pid = fork();

        if (pid < 0)
                return error_set(e, errno, "cannot fork: %m");
        if (pid == 0)
                return 0;

        r = payload_confine(g->spec, &g->plan, &root, e);
        if (r >= 0)
                r = payload_die_with_parent(&g->run, e);
        if (r >= 0)
                r = payload_execute_stub(init_fd, pid, e);
        give_up(g, 0, e);
}

static int become_payload(Engine *g, int *ret_status, Error *e) {
        _cleanup_(user_done) User user = {};
        int init_fd = -EBADF, r = find_user(g, &user, e);

        if (r >= 0 && g->spec->user)
                r = users_make_home(g->run.root_fd, &user, e);
        if (r >= 0)
                r = payload_limits(e);
        if (r >= 0)
                r = init_fd = payload_open_init(e);
        if (r >= 0 && g->spec->start == START_AS_PID2)
                r = run_stub(g, init_fd, e);
        if (r >= 0)
                r = payload_session(g->spec, &g->run, e);
        if (r >= 0)
                r = payload_confine(g->spec, &g->plan, &user, e);
        if (r >= 0)
                r = payload_die_with_parent(&g->run, e);
        if (r >= 0)
                r = payload_execute(g->spec, &g->plan, &user, init_fd, g->run.handshake_fd,
                                    ret_status, e);
        return r;
}

/* PID 1, from its namespaces to the payload. */
_noreturn_ static void inner_main(Engine *g) {
        Error e = {};
        int status = 0, r = apply_phase(g, PHASE_INNER, &e);

        if (r >= 0 && g->attaches) {
                r = handshake_send_phase(g->run.handshake_fd, PHASE_INNER);
                if (r >= 0)
                        r = handshake_expect(g->run.handshake_fd, HANDSHAKE_PHASE, PHASE_ATTACH,
                                             NULL, NULL, &e);
        }
        if (r >= 0)
                (void) become_payload(g, &status, &e);
        give_up(g, status, &e);
}

#define MACHINE_NAMESPACES (CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)

static uint64_t machine_flags(const Engine *g) {
        return MACHINE_NAMESPACES | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
               (spec_has_private_network(g->spec) ? CLONE_NEWNET : 0) |
               (g->run.cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0);
}

/* With a user namespace: PID 1 waits until the builder has built, then goes on as root inside. */
_noreturn_ static void adopted_main(Engine *g, int builder_fd) {
        Error e = {};
        int root_fd = -EBADF;
        int r = handshake_expect(builder_fd, HANDSHAKE_FD, 0, &root_fd, NULL, &e);

        /* The builder says itself why it failed. */
        if (r < 0)
                _exit(EXIT_SETUP);
        (void) fd_close(g->run.root_fd);
        g->run.root_fd = root_fd;
        if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0) {
                (void) error_set(&e, errno, "cannot become root of the machine: %m");
                give_up(g, 0, &e);
        }
        inner_main(g);
}

static int set_maps(Engine *g, pid_t pid, Error *e) {
        const IdPlan *ids = &g->plan.ids;
        int r = userns_write_maps(pid, 0, ids->base, 0, ids->base, ids->range, e);

        if (r < 0)
                return r;
        g->run.userns_fd = userns_open(pid, e);
        return MIN(g->run.userns_fd, 0);
}

/* The builder makes PID 1 early, as a sibling of its own, to have its user namespace at hand. */
static int apply_user_namespace(Engine *g, Error *e) {
        int pidfd = -EBADF, pair[2];
        struct clone_args args = {
                .flags = machine_flags(g) | CLONE_NEWUSER | CLONE_PARENT,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .cgroup = (uint64_t) MAX(g->run.cgroup_fd, 0),
        };
        int r = handshake_pair(pair);

        if (r < 0)
                return error_set(e, r, "cannot make a socket pair: %m");
        pid_t pid = proc_clone3(&args);
        if (pid < 0)
                return error_set(e, pid, "cannot make PID 1: %m");
        if (pid == 0) {
                (void) close(pair[0]);
                adopted_main(g, pair[1]);
        }
        (void) close(pair[1]);
        g->adopted_fd = pair[0];

        r = handshake_send_fd(g->run.handshake_fd, RUN_FD_LEADER, pidfd);
        return r < 0 ? error_set(e, r, "cannot tell of PID 1: %m") : set_maps(g, pid, e);
}

/* Login sessions of the caller are not those of the machine; not every kernel keeps account. */
static void reset_login_uid(void) {
        (void) file_write(AT_FDCWD, "/proc/self/loginuid", "4294967295", 0, 0);
}

/* CLONE_CLEAR_SIGHAND leaves ignored what is ignored: by us, or by whoever started us. Asking which
 * those are is cheaper than resetting all 64. */
static void release_signals(void) {
        _cleanup_free_ char *status = NULL;
        const char *line = NULL;
        uint64_t ignored = 0;
        sigset_t none;

        if (file_read(AT_FDCWD, "/proc/self/status", 65536, &status, NULL) >= 0)
                line = strstr(status, "\nSigIgn:");
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

        release_signals();
        (void) umask(0);
        reset_login_uid();

        r = payload_die_with_parent(&g->run, &e);
        if (r >= 0)
                r = apply_phase(g, PHASE_BUILD, &e);
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
        int *const where[_RUN_FD_MAX] = {
                [RUN_FD_LEADER] = &run->leader_fd,
                [RUN_FD_CONSOLE] = &run->console_fd,
                [RUN_FD_KMSG] = &run->kmsg_fd,
        };

        if (m->number >= _RUN_FD_MAX)
                return error_set(e, EPROTO, "PID 1 sent a descriptor that nobody knows");
        (void) fd_close(*where[m->number]);
        *where[m->number] = TAKE_FD(m->fd);
        if (m->number == RUN_FD_LEADER) {
                int r = proc_pidfd_pid(run->leader_fd, &run->leader);
                return r < 0 ? error_set(e, r, "cannot tell the PID of PID 1: %m") : 0;
        }
        return 0;
}

static int attach(Engine *g, Error *e) {
        Run *run = &g->run;
        int r;

        if (spec_has_private_network(g->spec)) {
                char path[64];
                (void) snprintf(path, sizeof path, "/proc/%d/ns/net", run->leader);
                run->netns_fd = open(path, O_RDONLY | O_CLOEXEC);
                if (run->netns_fd < 0)
                        return error_set(e, errno, "cannot open the network namespace: %m");
        }
        r = apply_phase(g, PHASE_ATTACH, e);
        if (r < 0)
                return r;
        r = handshake_send_phase(run->handshake_fd, PHASE_ATTACH);
        return r < 0 ? error_set(e, r, "PID 1 went away: %m") : 0;
}

static int take_id(Engine *g, const HandshakeMessage *m, Error *e) {
        const char *what = g->spec->argv && g->spec->start != START_BOOT ? g->spec->argv[0]
                           : g->spec->start == START_BOOT                ? "init"
                                                                         : "shell";

        if (m->number == RUN_ID_EXIT) {
                g->run.exit_status = (int) m->value;
                return 0;
        }
        if (m->number != RUN_ID_EXECUTE || m->value == 0 || m->value > 4095)
                return error_set(e, EPROTO, "PID 1 sent a number that nobody knows");
        /* It is there itself: what is not found is what executes it. */
        g->run.exit_status = m->value == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
        return error_set(e, (int) m->value, "cannot execute '%s' of the image: %m%s", what,
                         m->value == ENOENT ? " (its interpreter)" : "");
}

/* Listens until the payload runs (end of file) or somebody gives up. */
static int listen_to_children(Engine *g, Error *e) {
        /* With nothing to do for them until they have closed their end, being woken up for each message
         * would only take the processor away from them. */
        if (!g->attaches)
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
                        r = attach(g, e);
                        break;
                default:
                        *e = m.error;
                        return m.error.code;
                }
                if (r < 0)
                        return r;
        }
}

static int launch(Engine *g, int *ret_builder, Error *e) {
        bool two = spec_has_private_users(g->spec);
        int pidfd = -EBADF, pair[2];
        struct clone_args args = {
                /* An ephemeral machine enters a mount namespace that is there already. */
                .flags = (g->spec->ephemeral ? 0 : CLONE_NEWNS) | CLONE_PIDFD |
                         CLONE_CLEAR_SIGHAND | (two ? 0 : machine_flags(g)),
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = two ? 0 : (uint64_t) MAX(g->run.cgroup_fd, 0),
        };
        int r = handshake_pair(pair);

        if (r < 0)
                return error_set(e, r, "cannot make a socket pair: %m");
        g->run.handshake_fd = pair[0];
        g->attaches = wants_phase(g, PHASE_ATTACH);
        pid_t pid = proc_clone3(&args);
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
                *ret_builder = pidfd;
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

void engine_init(Engine *g, const Spec *spec) {
        *g = (Engine){ .spec = spec, .run = RUN_NULL, .adopted_fd = -EBADF };
}

int engine_plan(Engine *g, Error *e) {
        int r = apply_root_open(g, e);

        return r < 0 ? r : apply_plan(g, e);
}

int engine_start(Engine *g, int *ret_status, Error *e) {
        _cleanup_fd_ int builder = -EBADF;
        int r = apply_phase(g, PHASE_HOST, e);

        g->run.exit_status = 0;
        if (r >= 0)
                r = launch(g, &builder, e);
        if (r >= 0)
                r = listen_to_children(g, e);
        if (r < 0) {
                kill_and_reap(builder);
                kill_and_reap(g->run.leader_fd);
                engine_stop(g);
                *ret_status = g->run.exit_status ? g->run.exit_status : EXIT_SETUP;
                return r;
        }
        if (builder >= 0)
                (void) proc_wait(builder, NULL);
        g->run.root_fd = fd_close(g->run.root_fd);
        g->prepared = true;
        return 0;
}

void engine_stop(Engine *g) {
        Run *run = &g->run;
        int *const fds[] = { &run->leader_fd,    &run->console_fd, &run->kmsg_fd,   &run->netns_fd,
                             &run->handshake_fd, &run->root_fd,    &run->notify_fd, &run->bus_fd };

        revert_steps(g, false);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                *fds[i] = fd_close(*fds[i]);
        for (size_t i = 0; i < run->n_sources; i++)
                run->source_fds[i] = fd_close(run->source_fds[i]);
        run->leader = 0;
}

void run_done(Run *r) {
        int *const fds[] = { &r->lock_fd,       &r->notify_fd, &r->ephemeral_fd, &r->cgroup_fd,
                             &r->range_lock_fd, &r->scope_fd,  &r->scope_pidfd,  &r->leader_fd,
                             &r->console_fd,    &r->kmsg_fd,   &r->netns_fd,     &r->handshake_fd,
                             &r->root_fd,       &r->userns_fd, &r->terminal_fd,  &r->bus_fd };

        kill_and_reap(r->leader_fd);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                *fds[i] = fd_close(*fds[i]);
        for (size_t i = 0; i < r->n_sources; i++)
                (void) fd_close(r->source_fds[i]);
        for (size_t i = 0; i < r->n_network; i++)
                free(r->network_names[i]);
        free(r->network_names);
        free(r->network_indices);
        free(r->source_fds);
        free(r->runtime);
        free(r->cgroup);
        *r = RUN_NULL;
}

void engine_done(Engine *g) {
        engine_stop(g);
        revert_steps(g, true);
        run_done(&g->run);
        plan_done(&g->plan);
        buf_done(&g->notes);
}
