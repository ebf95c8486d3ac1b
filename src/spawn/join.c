/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running a command in a machine that runs already, see join.h: the three processes and what they say to each
 * other. What the request says is made elsewhere. */
#include "spawn/join.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/path.h"
#include "base/proc.h"
#include "spawn/hand-out.h"
#include "spawn/label.h"
#include "spawn/payload.h"
#include "spawn/run.h"

/* The last one that there can be. */
#define UNKNOWN_USER UINT32_C(0xfffffffe)

/* How often a joiner that says nothing is looked after. */
#define PAUSED_USEC ((uint64_t) 300 * 1000)

void joined_done(Joined *j) {
        j->pidfd = fd_close(j->pidfd);
        j->terminal_fd = fd_close(j->terminal_fd);
}

/* In the joiner. */

typedef struct Joiner {
        const JoinTarget *target;
        const JoinRequest *request;
        struct winsize size;
        int init_fd;
        int sock;
        int status; /* what to exit with: 126 or 127; 0 = 125 */
} Joiner;

static void reset_signals(void) {
        sigset_t none;

        for (int i = 1; i <= 64; i++)
                (void) signal(i, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Moves what the command gets to 0, 1 and 2, whatever they are now. */
static int place_stdio(const int stdio[static 3]) {
        int high[3];

        if (stdio[0] == 0 && stdio[1] == 1 && stdio[2] == 2)
                return 0;
        for (unsigned i = 0; i < 3; i++) {
                high[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 10);
                if (high[i] < 0)
                        return -errno;
        }
        for (unsigned i = 0; i < 3; i++)
                if (dup2(high[i], (int) i) < 0)
                        return -errno;
        return 0;
}

/* Only what is the command's, and what we need ourselves: the latter goes with the executions. */
static int keep_few(Joiner *j) {
        int *const own[] = { &j->init_fd, &j->sock };
        const unsigned first = 3 + j->request->n_pass;
        _cleanup_free_ int *keep = calloc(j->request->n_pass + 4, sizeof *keep);
        size_t n = 0;

        if (!keep)
                return -ENOMEM;
        int r = place_stdio(j->request->stdio);
        for (size_t i = 0; i < ELEMENTSOF(own) && r >= 0; i++) {
                int fd = fcntl(*own[i], F_DUPFD_CLOEXEC, (int) first);
                if (fd < 0)
                        return -errno;
                *own[i] = keep[n++] = fd;
        }
        if (r < 0)
                return r;
        for (unsigned i = 3; i < first; i++)
                keep[n++] = (int) i;
        keep[n++] = j->target->root_fd;
        keep[n++] = j->target->pidfd;
        return fd_close_range_except(keep, n);
}

/* Who cannot be debugged, and is not root, may not write to files of their own in /proc: so what is so
 * already is left alone. */
static int adjust_oom_score(int score) {
        static const char path[] = "/proc/self/oom_score_adj";
        _cleanup_free_ char *now = NULL;
        char text[16];

        (void) snprintf(text, sizeof text, "%d", score);
        if (geteuid() != 0 && file_read_line(AT_FDCWD, path, &now) >= 0 && streq(now, text))
                return 0;
        return file_write(AT_FDCWD, path, text, 0, 0);
}

/* What takes rights that are the host's, or files of its /proc. */
static int inherit(const JoinRequest *q, Error *e) {
        int r = 0;

        (void) umask(q->umask);
        if (q->oom_score_adjust != OOM_SCORE_ADJUST_UNSET)
                r = adjust_oom_score(q->oom_score_adjust);
        if (r < 0)
                return error_set(e, r, "cannot set the OOM score: %m");
        if (q->cpus && sched_setaffinity(0, sizeof *q->cpus, (const cpu_set_t *) q->cpus) < 0)
                return error_set(e, errno, "cannot set the CPUs to run on: %m");
        if (q->personality != PERSONALITY_UNSET && personality((unsigned long) q->personality) < 0)
                return error_set(e, errno, "cannot set the personality: %m");
        return limit_raise(0, q->limits, e);
}

/* In the machine's own devpts, through no link, so that it is one. */
static int open_ptmx(int root_fd, Error *e) {
        _cleanup_fd_ int fd = path_open_beneath(root_fd, "dev/pts/ptmx",
                                                O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
        struct statfs fs;
        int unlock = 0;

        if (fd < 0)
                return error_set(e, fd, "cannot open a pseudo terminal of the machine: %m");
        if (fstatfs(fd, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
                return error_set(e, ENOTTY, "/dev/pts of the machine makes no terminals");
        if (ioctl(fd, TIOCSPTLCK, &unlock) < 0)
                return error_set(e, errno, "cannot unlock the pseudo terminal: %m");
        return TAKE_FD(fd);
}

static int make_terminal(const Joiner *j, Error *e) {
        _cleanup_fd_ int master = open_ptmx(j->target->root_fd, e), slave = -EBADF;

        if (master < 0)
                return master;
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return error_set(e, errno, "cannot open the other side of the terminal: %m");
        /* Whoever asks first must not find a terminal of no size. */
        if (j->size.ws_row > 0)
                (void) ioctl(slave, TIOCSWINSZ, &j->size);
        (void) !fchown(slave, j->request->uid, (gid_t) -1);
        for (int fd = 0; fd < 3; fd++)
                if (dup2(slave, fd) < 0)
                        return error_set(e, errno, "cannot put the terminal on stdio: %m");
        int r = handshake_send_fd(j->sock, 0, master);
        return r < 0 ? error_set(e, r, "cannot hand over the terminal: %m") : 0;
}

static int set_capabilities(uint64_t permitted, uint64_t effective, uint64_t inheritable,
                            uint64_t ambient, Error *e) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct have[2] = {}, data[2];

        if (syscall(SYS_capget, &header, have) < 0)
                return error_set(e, errno, "cannot read our capabilities: %m");
        for (unsigned i = 0; i < 2; i++) {
                data[i].permitted = have[i].permitted & (uint32_t) (permitted >> (32 * i));
                data[i].effective = data[i].permitted & (uint32_t) (effective >> (32 * i));
                data[i].inheritable = data[i].permitted & (uint32_t) (inheritable >> (32 * i));
        }
        if (syscall(SYS_capset, &header, data) < 0)
                return error_set(e, errno, "cannot set our capabilities: %m");
        for (unsigned long c = 0; c < 64; c++)
                if (ambient & (UINT64_C(1) << c) &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
                        return error_set(e, errno, "cannot make the capability %lu ambient: %m", c);
        return 0;
}

static int load_filters(const JoinRequest *q, Error *e) {
        int r = 0;

        for (size_t i = 0; i < q->n_filters && r >= 0; i++)
                r = seccomp_plan_load(q->filters[i].filter, q->filters[i].n, e);
        return r;
}

static int become_user(const JoinRequest *q, Error *e) {
        /* Where a user namespace denies it we have none, and one that is the own one is none more. */
        const bool none = q->n_groups == 0 || (q->n_groups == 1 && q->groups[0] == q->gid);

        if (setgroups(q->n_groups, q->groups) < 0 && !(errno == EPERM && none))
                return error_set(e, errno, "cannot become a member of groups: %m");
        if (setresgid(q->gid, q->gid, q->gid) < 0)
                return errno == EINVAL ? error_set(e, ENXIO, "the machine has no group %u", q->gid)
                                       : error_set(e, errno, "cannot become group %u: %m", q->gid);
        if (q->uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot keep capabilities: %m");
        if (setresuid(q->uid, q->uid, q->uid) < 0)
                return errno == EINVAL ? error_set(e, ENXIO, "the machine has no user %u", q->uid)
                                       : error_set(e, errno, "cannot become user %u: %m", q->uid);
        return 0;
}

/* A filter may deny what we still have to call, so it comes last if what that takes is still there then. */
static int confine(const JoinRequest *q, Error *e) {
        const JoinCapabilities *c = &q->capabilities;
        bool late = q->no_new_privileges ||
                    (q->uid == 0 && c->effective & UINT64_C(1) << CAP_SYS_ADMIN);
        int r = 0;

        /* The caller's keys are not for the command. */
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) < 0 && errno != ENOSYS &&
            errno != EPERM && errno != EACCES)
                return error_set(e, errno, "cannot make a session keyring: %m");
        if (q->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot set no_new_privs: %m");
        r = process_drop_bounding(c->bounding);
        if (r < 0)
                return error_set(e, r, "cannot drop capabilities: %m");
        if (!late)
                r = load_filters(q, e);
        if (r >= 0)
                r = become_user(q, e);
        if (r >= 0)
                r = q->uid == 0 ? set_capabilities(c->permitted, c->effective, c->inheritable,
                                                   c->ambient, e)
                                : set_capabilities(c->permitted | c->ambient, c->effective,
                                                   c->inheritable | c->ambient, c->ambient, e);
        if (r >= 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
                return error_set(e, errno, "cannot hide from debuggers: %m");
        return r >= 0 && late ? load_filters(q, e) : r;
}

static int find_program(const JoinRequest *q, char **ret, int *ret_status, Error *e) {
        const char *what = q->program ? q->program : q->argv[0];
        int r = payload_search_path(what, strempty(strv_env_get(q->environment, "PATH")), ret);

        if (r >= 0)
                return 0;
        *ret_status = r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
        return error_set(e, r, "cannot execute '%s' in the machine: %m", what);
}

static int enter_cwd(const JoinTarget *t, const JoinRequest *q, Error *e) {
        int r = q->cwd ? payload_enter(t->root_fd, q->cwd) : 0;

        return r < 0 && !q->cwd_may_miss
                       ? error_set(e, r, "cannot enter '%s' of the machine: %m", q->cwd)
                       : 0;
}

static int init_arguments(const Joiner *j, const char *program, char ***ret) {
        const JoinRequest *q = j->request;
        const Spec labels = { .apparmor_profile = q->apparmor, .selinux_context = q->selinux };
        _cleanup_free_ char *label = NULL;
        const char *label_file = NULL;
        int r = label_make(&labels, &label_file, &label);

        if (r >= 0)
                r = strv_append(ret, "skep-init");
        if (r >= 0)
                r = strv_append(ret, "join");
        if (r >= 0)
                r = strv_append_format(ret, "%d", j->sock);
        if (r >= 0)
                r = strv_append_format(ret, "-%s%s%s", q->terminal ? "t" : "",
                                       q->detached ? "" : "d", label_file ? "l" : "");
        if (r >= 0 && label_file)
                r = strv_append(ret, label_file);
        if (r >= 0 && label_file)
                r = strv_append(ret, label);
        if (r >= 0)
                r = strv_append(ret, program);
        STRV_FOREACH(a, q->argv)
                if (r >= 0)
                        r = strv_append(ret, *a);
        return r;
}

static int execute(Joiner *j, Error *e) {
        _cleanup_free_ char *program = NULL;
        _cleanup_strv_ char **argv = NULL;
        const unsigned first = 3 + j->request->n_pass;
        char *const none[] = { NULL };
        int r = find_program(j->request, &program, &j->status, e);

        if (r < 0)
                return r;
        if (init_arguments(j, program, &argv) < 0)
                return error_oom(e);
        if (close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return error_set(e, errno, "cannot keep our descriptors to ourselves: %m");
        for (unsigned fd = 3; fd < first && r >= 0; fd++)
                r = fd_set_cloexec((int) fd, false);
        if (r >= 0)
                r = fd_set_cloexec(j->sock, false);
        if (r < 0)
                return error_set(e, r, "cannot pass on descriptors: %m");
        /* Last, for we could not do our own work under any limits that there are. */
        r = limit_apply(j->request->limits, e);
        if (r < 0)
                return r;
        (void) execveat(j->init_fd, "", argv,
                        j->request->environment ? j->request->environment : (char **) none,
                        AT_EMPTY_PATH);
        return error_set(e, errno, "cannot execute skep-init: %m");
}

_noreturn_ static void joiner_main(Joiner *j) {
        const JoinTarget *t = j->target;
        Error e = {};
        int r = 0;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                r = error_set(&e, errno, "cannot tie us to our parent: %m");
        reset_signals();
        if (r >= 0 && (r = keep_few(j)) < 0)
                r = error_set(&e, r, "cannot arrange descriptors: %m");
        if (r >= 0)
                r = inherit(j->request, &e);
        if (r >= 0) {
                r = namespace_enter(t->pidfd, t->clone, t->root_fd);
                if (r < 0)
                        r = error_set(&e, r, r == -ESRCH ? "%s has ended" : "cannot enter %s: %m",
                                      t->name);
        }
        if (r >= 0 && j->request->terminal)
                r = make_terminal(j, &e);
        if (r >= 0)
                r = confine(j->request, &e);
        if (r >= 0)
                r = enter_cwd(t, j->request, &e);
        if (r >= 0)
                r = execute(j, &e);
        if (j->status != 0)
                (void) handshake_send_id(j->sock, RUN_ID_EXIT, (uint64_t) j->status);
        (void) handshake_send_error(j->sock, &e);
        _exit(EXIT_SETUP);
}

/* In the caller. */

/* What the children have said up to now. */
typedef struct Progress {
        Joined joined;
        int status;
        bool has_gone; /* the command was let go */
} Progress;

static int take_number(const JoinTarget *t, const JoinRequest *q, const HandshakeMessage *m,
                       Progress *p, Error *e) {
        const char *what = q->program ? q->program : q->argv[0];
        int code = m->value > 0 && m->value <= 4095 ? (int) m->value : EPROTO;

        switch ((RunId) m->number) {
        case RUN_ID_EXIT:
                p->status = (int) m->value;
                return 0;
        case RUN_ID_JOINED:
                p->joined.pid = (pid_t) m->value;
                p->joined.pidfd = proc_pidfd_open(p->joined.pid);
                return p->joined.pidfd < 0
                               ? error_set(e, p->joined.pidfd, "cannot watch the command: %m")
                               : 0;
        case RUN_ID_EXECUTE:
                p->status = code == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
                return error_set(e, code, "cannot execute '%s' in the machine: %m%s", what,
                                 code == ENOENT ? " (its interpreter)" : "");
        case RUN_ID_LABEL:
                return error_set(e, code, "cannot give the command the label '%s': %m",
                                 q->selinux ? q->selinux : strempty(q->apparmor));
        case RUN_ID_TERMINAL:
                return error_set(e, code, "cannot take the terminal: %m");
        case RUN_ID_FORK:
                return proc_pidfd_is_alive(t->pidfd)
                               ? error_set(e, code, "cannot fork into %s: %m", t->name)
                               : error_set(e, ESRCH, "%s has ended", t->name);
        default:
                return error_set(e, EPROTO, "what joins said something that nobody knows");
        }
}

static int take_message(const JoinTarget *t, const JoinRequest *q, HandshakeMessage *m, Progress *p,
                        Error *e) {
        _cleanup_fd_ int fd = m->fd;

        switch (m->type) {
        case HANDSHAKE_FD:
                (void) fd_close(p->joined.terminal_fd);
                p->joined.terminal_fd = TAKE_FD(fd);
                return 0;
        case HANDSHAKE_ID:
                return take_number(t, q, m, p, e);
        case HANDSHAKE_ERROR:
                if (e)
                        *e = m->error;
                return m->error.code < 0 ? m->error.code : -EPROTO;
        default:
                return error_set(e, EPROTO, "what joins said something that nobody knows");
        }
}

/* The command is there and waits: the last that may fail on our side, then off it goes. */
static int let_go(const JoinRequest *q, Progress *p, int sock, Error *e) {
        int r = 0;

        if (q->console_socket && p->joined.terminal_fd >= 0) {
                r = hand_out_terminal(q->console_socket, p->joined.terminal_fd, e);
                p->joined.terminal_fd = fd_close(p->joined.terminal_fd);
        }
        if (r >= 0 && q->pid_file)
                r = hand_out_pid(q->pid_file, p->joined.pid, e);
        if (r < 0)
                return r;
        p->has_gone = true;
        /* If it has died meanwhile, its end tells. */
        r = handshake_send_phase(sock, 0);
        return r < 0 && r != -EPIPE ? error_set(e, r, "cannot let the command go: %m") : 0;
}

/* Return: 0 the command executes; -errno. */
static int await_execution(const JoinTarget *t, const JoinRequest *q, int sock, Progress *p,
                           Error *e) {
        HandshakeMessage m;
        int r;

        for (;;) {
                while ((r = fd_wait(sock, 1 /* POLLIN */, PAUSED_USEC)) == 0)
                        if (join_target_is_paused(t))
                                return error_set(e, EBUSY, "%s is paused: nothing can be run in it",
                                                 t->name);
                r = r < 0 ? r : handshake_receive(sock, &m);
                if (r < 0)
                        return error_set(e, r, "cannot hear from what joins: %m");
                if (r == 0)
                        break;
                r = take_message(t, q, &m, p, e);
                if (r >= 0 && p->joined.pid > 0 && !p->has_gone)
                        r = let_go(q, p, sock, e);
                if (r < 0)
                        return r;
        }
        if (p->has_gone)
                return 0;
        return proc_pidfd_is_alive(t->pidfd)
                       ? error_set(e, EPIPE, "what was to join %s was killed", t->name)
                       : error_set(e, ESRCH, "%s has ended", t->name);
}

static void find_size(const JoinRequest *q, struct winsize *ret) {
        if (q->rows > 0 && q->columns > 0)
                *ret = (struct winsize){ .ws_row = q->rows, .ws_col = q->columns };
        else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, ret) < 0 &&
                 ioctl(STDIN_FILENO, TIOCGWINSZ, ret) < 0)
                *ret = (struct winsize){};
}

static int open_group(const JoinTarget *t, const JoinRequest *q, Error *e) {
        if (t->cgroup_fd < 0)
                return -EBADF;
        int fd = path_open_beneath(t->cgroup_fd, q->cgroup ? q->cgroup : ".",
                                   O_RDONLY | O_DIRECTORY, 0);
        return fd < 0 ? error_set(e, fd, "cannot open the control group '%s' of %s: %m",
                                  strempty(q->cgroup), t->name)
                      : fd;
}

/* Return: 0 and the joiner's pidfd; -errno. */
static int launch(Joiner *j, int *ret_pidfd, int *ret_sock, Error *e) {
        int pair[2];
        _cleanup_fd_ int group = open_group(j->target, j->request, e);

        if (group < 0 && j->target->cgroup_fd >= 0)
                return group;
        struct clone_args args = {
                .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | (group >= 0 ? CLONE_INTO_CGROUP : 0),
                .pidfd = (uint64_t) (uintptr_t) ret_pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = (uint64_t) MAX(group, 0),
        };
        int r = handshake_pair(pair);
        if (r < 0)
                return error_set(e, r, "cannot make a socket: %m");
        /* Of what is inside nobody shall have anything, were it for a moment. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
                r = -errno;
        pid_t pid = r < 0 ? r : proc_clone3(&args);
        if (pid == 0) {
                (void) close(pair[0]);
                j->sock = pair[1];
                joiner_main(j);
        }
        (void) close(pair[1]);
        if (pid < 0) {
                (void) close(pair[0]);
                return error_set(e, pid, "cannot fork into the control group of %s: %m",
                                 j->target->name);
        }
        *ret_sock = pair[0];
        return 0;
}

static void kill_and_reap(int pidfd) {
        if (pidfd < 0)
                return;
        (void) proc_pidfd_signal(pidfd, SIGKILL);
        (void) proc_wait(pidfd, NULL);
}

/* Who executes what he may not read is nobody's to trace in a user namespace of his own, not even root's, if
 * the file is of somebody unknown in there. Where we know no such user ourselves, it is root's. */
static int open_init(Error *e) {
        int fd = payload_open_init(e);

        if (fd >= 0) {
                (void) !fchown(fd, UNKNOWN_USER, UNKNOWN_USER);
                (void) fchmod(fd, 0111);
        }
        return fd;
}

int join_start(const JoinTarget *t, const JoinRequest *q, Joined *ret, int *ret_status, Error *e) {
        Progress p = { .joined = JOINED_NULL };
        _cleanup_fd_ int init = -EBADF, joiner = -EBADF, sock = -EBADF;
        Joiner j = { .target = t, .request = q };

        *ret_status = EXIT_SETUP;
        find_size(q, &j.size);
        j.init_fd = init = open_init(e);
        if (init < 0)
                return init;
        int r = launch(&j, &joiner, &sock, e);
        if (r >= 0)
                r = await_execution(t, q, sock, &p, e);
        /* A command that waits for us goes with the socket. */
        sock = fd_close(sock);
        kill_and_reap(joiner);
        if (r < 0) {
                kill_and_reap(p.joined.pidfd);
                joined_done(&p.joined);
                *ret_status = p.status != 0 ? p.status : EXIT_SETUP;
                return r;
        }
        *ret = p.joined;
        return 0;
}
