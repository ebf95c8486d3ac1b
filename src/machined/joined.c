/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joining machines, see joined.h. The worker forks a first child straight into the control group; that one
 * enters the namespaces and forks the command as a child of the worker, so that only a process which is
 * about to become the command is ever seen inside. */
#include "machined/joined.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/path.h"
#include "machined/account.h"

#define KILL_AFTER_USEC ((uint64_t) 5 * 1000000)
#define FDS_SOFT_LIMIT  1024
#define FDS_HARD_LIMIT  (512 * 1024)
#define DEFAULT_PATH    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* All that the command needs, made while the host's files can still be seen. */
typedef struct Command {
        const SessionRequest *request;
        Account account;
        char *path;
        char **args;
        char **environment;
        bool terminal;
} Command;

static void command_done(Command *c) {
        account_done(&c->account);
        free(c->path);
        strv_free(c->args);
        strv_free(c->environment);
}

static int set_default(char ***env, const char *name, const char *value) {
        _cleanup_free_ char *s = NULL;

        if (strv_env_get(*env, name))
                return 0;
        s = str_format("%s=%s", name, value);
        return s ? strv_env_set(env, s) : -ENOMEM;
}

static int command_environment(Command *c) {
        int r = strv_copy(c->request->environment, &c->environment);

        if (r >= 0)
                r = set_default(&c->environment, "PATH", DEFAULT_PATH);
        if (r >= 0)
                r = set_default(&c->environment, "HOME", c->account.home);
        if (r >= 0)
                r = set_default(&c->environment, "USER", c->account.name);
        if (r >= 0)
                r = set_default(&c->environment, "LOGNAME", c->account.name);
        if (r >= 0)
                r = set_default(&c->environment, "SHELL", c->account.shell);
        if (r >= 0 && c->terminal)
                r = set_default(&c->environment, "TERM", "vt220");
        return r;
}

/* A login shell is told so by a '-' before its name. */
static int command_args(Command *c) {
        const SessionRequest *request = c->request;
        int r;

        c->path = strdup(*request->path ? request->path : c->account.shell);
        if (!c->path)
                return -ENOMEM;
        if (!*request->path) {
                const char *slash = strrchr(c->path, '/');
                r = strv_append_format(&c->args, "-%s", slash ? slash + 1 : c->path);
        } else if (request->args && request->args[0])
                r = strv_copy(request->args, &c->args);
        else
                r = strv_append(&c->args, c->path);
        return r;
}

static int command_init(Command *c, const SessionRequest *request, int root_fd, bool terminal,
                        Error *e) {
        *c = (Command){ .request = request, .terminal = terminal };
        int r = account_read(root_fd, request->user, &c->account, e);

        if (r < 0)
                return r;
        if (command_args(c) < 0 || command_environment(c) < 0)
                return error_oom(e);
        return 0;
}

static void reset_process(void) {
        struct rlimit fds = { FDS_SOFT_LIMIT, FDS_HARD_LIMIT }, old;
        sigset_t none;

        for (int i = 1; i <= SIGRTMAX; i++)
                (void) signal(i, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) umask(022);
        if (getrlimit(RLIMIT_NOFILE, &old) >= 0 && old.rlim_max < fds.rlim_max)
                fds.rlim_max = old.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &fds);
}

static int become_user(const Account *a) {
        if (setgroups(a->n_groups, a->groups) < 0 && !(errno == EPERM && a->n_groups == 0))
                return -errno;
        if (setresgid(a->gid, a->gid, a->gid) < 0 || setresuid(a->uid, a->uid, a->uid) < 0)
                return -errno;
        return 0;
}

/* In the command's own process, inside. Does not return. */
static _noreturn_ void become_command(const Command *c, int sock) {
        Error e = {};
        int r;

        reset_process();
        (void) setsid();
        if (c->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
                r = error_set(&e, errno, "cannot take the terminal: %m");
        else if ((r = become_user(&c->account)) < 0)
                r = error_set(&e, r, "cannot become user '%s': %m", c->account.name);
        else {
                if (chdir(c->account.home) < 0)
                        (void) chdir("/");
                /* Gone with the exec, which tells the worker that it worked. */
                (void) execve(c->path, c->args, c->environment);
                r = error_set(&e, errno, "cannot run %s: %m", c->path);
        }
        (void) r;
        (void) handshake_send_error(sock, &e);
        _exit(127);
}

/* Moves the descriptors to 0, 1 and 2, whatever they are now. */
static int place_stdio(const int stdio[static 3]) {
        int high[3];

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

/* In the first child: goes in, and forks the command as a child of the worker. */
static int go_in(const Command *c, int root_fd, const int stdio[static 3], int sock, Error *e) {
        const Target *t = &c->request->target;
        const int keep[] = { sock, root_fd, t->pidfd };
        int r = place_stdio(stdio);

        if (r >= 0)
                r = fd_close_range_except(keep, ELEMENTSOF(keep));
        if (r < 0)
                return error_set(e, r, "cannot arrange descriptors: %m");
        r = target_join(t, root_fd, NAMESPACE_ALL, e);
        if (r < 0)
                return r;
        (void) close(root_fd);
        (void) close(t->pidfd);

        struct clone_args args = { .flags = CLONE_PARENT };
        pid_t pid = proc_clone3(&args);
        if (pid < 0)
                return error_set(e, pid, "cannot fork into the machine: %m");
        if (pid == 0)
                become_command(c, sock);
        return handshake_send_id(sock, 0, (uint64_t) pid);
}

static int open_cgroup(const Target *t, Error *e) {
        _cleanup_free_ char *mount = NULL, *group = NULL;
        int r = cgroup_mount(&mount);

        if (r >= 0)
                r = cgroup_of_pid(t->pid, &group);
        if (r < 0)
                return error_set(e, r, "cannot find the control group of machine '%s': %m",
                                 t->name);
        _cleanup_free_ char *path = path_join(mount, group);
        if (!path)
                return error_oom(e);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open control group %s: %m", path) : fd;
}

/* Return: 0 the command runs; the child's error. */
static int await_exec(int sock, Joined *j, Error *e) {
        uint64_t pid;
        int r = handshake_expect(sock, HANDSHAKE_ID, 0, NULL, &pid, e);

        if (r < 0)
                return r;
        j->pid = (pid_t) pid;
        j->pidfd = proc_pidfd_open(j->pid);
        if (j->pidfd < 0)
                return error_set(e, j->pidfd, "cannot watch the command: %m");

        HandshakeMessage m;
        r = handshake_receive(sock, &m);
        if (r < 0)
                return error_set(e, r, "cannot hear from the command: %m");
        if (r == 0)
                return 0;
        r = m.type == HANDSHAKE_ERROR ? m.error.code : -EPROTO;
        if (e && m.type == HANDSHAKE_ERROR)
                *e = m.error;
        (void) fd_close(m.fd);
        (void) waitpid(j->pid, NULL, 0);
        j->pidfd = fd_close(j->pidfd);
        return r;
}

int joined_start(const SessionRequest *request, int root_fd, const int stdio[static 3],
                 bool terminal, Joined *ret, Error *e) {
        _cleanup_(command_done) Command c = {};
        Joined j = { .pidfd = -EBADF };
        int pair[2];

        int r = command_init(&c, request, root_fd, terminal, e);
        if (r < 0)
                return r;
        _cleanup_fd_ int cgroup = open_cgroup(&request->target, e);
        if (cgroup < 0)
                return cgroup;
        r = handshake_pair(pair);
        if (r < 0)
                return error_set(e, r, "cannot make a socket: %m");
        _cleanup_fd_ int ours = pair[0], theirs = pair[1];

        struct clone_args args = { .flags = CLONE_INTO_CGROUP,
                                   .exit_signal = SIGCHLD,
                                   .cgroup = (uint64_t) cgroup };
        pid_t pid = proc_clone3(&args);
        if (pid < 0)
                return error_set(e, pid, "cannot fork into the control group of machine '%s': %m",
                                 request->target.name);
        if (pid == 0) {
                Error own = {};
                r = go_in(&c, root_fd, stdio, theirs, &own);
                if (r < 0)
                        (void) handshake_send_error(theirs, &own);
                _exit(0);
        }
        theirs = fd_close(theirs);
        r = await_exec(ours, &j, e);
        (void) waitpid(pid, NULL, 0);
        if (r < 0)
                return r;
        *ret = j;
        return 0;
}

/* The whole session: whatever has not left it. */
static void hang_up(const Joined *j) {
        (void) kill(-j->pid, SIGHUP);
        (void) kill(-j->pid, SIGCONT);
        (void) kill(-j->pid, SIGTERM);
}

int joined_wait(Joined *j, int status, SessionEnd *ret, Error *e) {
        struct pollfd fds[] = { { .fd = j->pidfd, .events = POLLIN },
                                { .fd = status, .events = 0 } };
        int timeout = -1;
        siginfo_t info;

        for (;;) {
                int n = poll(fds, ELEMENTSOF(fds), timeout);
                if (n < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot watch the command: %m");
                if (n == 0)
                        (void) kill(-j->pid, SIGKILL);
                if (n > 0 && fds[1].revents) {
                        hang_up(j);
                        fds[1].fd = -1;
                        timeout = (int) (KILL_AFTER_USEC / 1000);
                }
                if (n > 0 && fds[0].revents)
                        break;
        }
        int r = proc_wait(j->pidfd, &info);
        if (r < 0)
                return error_set(e, r, "cannot learn how the command ended: %m");
        *ret = (SessionEnd){ .how = info.si_code == CLD_EXITED ? SESSION_EXITED : SESSION_KILLED,
                             .number = info.si_status };
        j->pidfd = fd_close(j->pidfd);
        return 0;
}
