/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running hooks, see oci-hooks.h. State and output are files in memory and no pipes: a hook need not read the
 * one, and what it leaves behind may hold the other open for as long as it likes. */
#include "spawn/oci-hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/proc.h"

#define SAID_MAX 300 /* bytes of what a hook said that are worth telling */

static int make_state(const OciState *state, OciStatus status, Error *e) {
        _cleanup_fd_ int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        _cleanup_(buf_done) Buf text = {};
        int r = fd < 0 ? -errno : oci_state_for_hooks(state, status, &text);

        if (r >= 0)
                r = fd_write_all(fd, text.p, text.n);

        if (r >= 0 &&
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                r = -errno;
        return r < 0 ? error_set(e, r, "cannot keep the state for hooks: %m") : TAKE_FD(fd);
}

/* Return: only if it cannot be executed: -errno. */
static int become(const OciHook *hook, int state_fd, int output_fd) {
        char *const own[] = { hook->path, NULL }, *const none[] = { NULL };
        sigset_t all;

        (void) sigemptyset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        for (int i = 1; i <= 64; i++)
                (void) signal(i, SIG_DFL);
        (void) umask(0022);
        (void) setpgid(0, 0);
        if (lseek(state_fd, 0, SEEK_SET) < 0 || dup2(state_fd, STDIN_FILENO) < 0 ||
            dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0 ||
            close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return -errno;
        (void) execve(hook->path, hook->args ? hook->args : own, hook->env ? hook->env : none);
        return -errno;
}

/* Return: pidfd; -errno, of its execution as well. */
static int start(const OciHook *hook, int state_fd, int output_fd) {
        int pidfd = -EBADF, failure[2], code = 0;
        struct clone_args args = { .flags = CLONE_PIDFD,
                                   .exit_signal = SIGCHLD,
                                   .pidfd = (uint64_t) (uintptr_t) &pidfd };

        if (pipe2(failure, O_CLOEXEC) < 0)
                return -errno;
        pid_t pid = proc_clone3(&args);
        if (pid == 0) {
                code = become(hook, state_fd, output_fd);
                (void) !write(failure[1], &code, sizeof code);
                _exit(127);
        }
        (void) close(failure[1]);
        if (pid > 0)
                (void) fd_read(failure[0], &code, sizeof code);
        (void) close(failure[0]);
        if (pid < 0)
                return pid;
        if (code == 0)
                return pidfd;
        (void) proc_wait(pidfd, NULL);
        (void) close(pidfd);
        return code;
}

/* With what it started, but for those who have left its group. */
static void kill_group(int pidfd) {
        pid_t pid;

        if (proc_pidfd_pid(pidfd, &pid) >= 0)
                (void) kill(-pid, SIGKILL);
        (void) proc_pidfd_signal(pidfd, SIGKILL);
}

/* Return: 0 ended; -ETIMEDOUT. */
static int wait_for(int pidfd, const OciHook *hook, siginfo_t *ret) {
        uint64_t usec = hook->timeout.set && hook->timeout.value < INT32_MAX
                                ? (uint64_t) hook->timeout.value * 1000000
                                : UINT64_MAX;
        int r, late;

        do
                late = fd_wait(pidfd, POLLIN, usec);
        while (late == -EINTR);
        if (late == 0)
                kill_group(pidfd);
        r = proc_wait(pidfd, ret);
        return r < 0 ? r : late == 0 ? -ETIMEDOUT : MIN(late, 0);
}

/* The end of it, on one line: that is where reasons are. */
static char *what_it_said(int fd) {
        char text[SAID_MAX + 1];
        off_t size = lseek(fd, 0, SEEK_END), from = MAX(size - SAID_MAX, (off_t) 0);
        ssize_t n = size <= 0 ? 0 : pread(fd, text, SAID_MAX, from);

        text[MAX(n, (ssize_t) 0)] = '\0';
        char *said = str_strip(text);
        for (char *c = said; *c; c++)
                if ((unsigned char) *c < ' ')
                        *c = ' ';
        return str_format("%s%s", *said ? ": " : "", said);
}

static int tell(int r, const siginfo_t *info, const OciHook *hook, const char *kind, size_t i,
                int output_fd, Error *e) {
        _cleanup_free_ char *said = NULL;

        if (r >= 0 && info->si_code == CLD_EXITED && info->si_status == 0)
                return 0;
        said = what_it_said(output_fd);
        if (r == -ETIMEDOUT)
                return error_set(e, r, "%s hook #%zu ('%s') did not end within %lld s%s", kind, i,
                                 hook->path, (long long) hook->timeout.value, strempty(said));
        if (r < 0)
                return error_set(e, r, "cannot run %s hook #%zu ('%s'): %m", kind, i, hook->path);
        if (info->si_code == CLD_EXITED)
                return error_set(e, ECHILD, "%s hook #%zu ('%s') failed with exit status %d%s",
                                 kind, i, hook->path, info->si_status, strempty(said));
        return error_set(e, ECHILD, "%s hook #%zu ('%s') was killed by signal %d%s", kind, i,
                         hook->path, info->si_status, strempty(said));
}

static int run_one(const OciHook *hook, const char *kind, size_t i, int state_fd, Error *e) {
        _cleanup_fd_ int output_fd = memfd_create("output", MFD_CLOEXEC), pidfd = -EBADF;
        siginfo_t info = {};
        int r = output_fd < 0 ? -errno : 0;

        if (r >= 0)
                r = pidfd = start(hook, state_fd, output_fd);
        if (r >= 0)
                r = wait_for(pidfd, hook, &info);
        return tell(r, &info, hook, kind, i, output_fd, e);
}

static int run_list(const OciHookList *hooks, const char *kind, int state_fd, Error *e) {
        for (size_t i = 0; i < hooks->n; i++) {
                int r = run_one(hooks->v + i, kind, i, state_fd, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Only we know the PID that the host knows the container by. */
static int hand_over(const Run *run, RunFd which, OciStatus status, Error *e) {
        _cleanup_fd_ int fd = make_state(run->oci_state, status, e);

        if (fd < 0)
                return fd;
        int r = handshake_send_fd(run->handshake_fd, (uint32_t) which, fd);
        return r < 0 ? error_set(e, r, "PID 1 went away: %m") : 0;
}

int oci_hooks_apply(const OciHooks *hooks, const Run *run, Error *e) {
        _cleanup_fd_ int fd = make_state(run->oci_state, OCI_STATUS_CREATING, e);
        int r = fd;

        if (r >= 0)
                r = run_list(&hooks->prestart, "prestart", fd, e);
        if (r >= 0)
                r = run_list(&hooks->create_runtime, "createRuntime", fd, e);
        if (r >= 0 && hooks->create_container.n > 0)
                r = hand_over(run, RUN_FD_CREATING, OCI_STATUS_CREATING, e);
        if (r >= 0 && hooks->start_container.n > 0)
                r = hand_over(run, RUN_FD_CREATED, OCI_STATUS_CREATED, e);
        return MIN(r, 0);
}

int oci_hooks_apply_inside(const OciHooks *hooks, Run *run, Error *e) {
        int r = run_list(&hooks->create_container, "createContainer", run->creating_fd, e);

        run->creating_fd = fd_close(run->creating_fd);
        return r;
}

int oci_hooks_run_all(const OciHookList *hooks, const char *kind, const OciState *state,
                      OciStatus status, Buf *notes) {
        for (size_t i = 0; i < hooks->n; i++) {
                Error error = {};
                _cleanup_fd_ int fd = make_state(state, status, &error);
                int r = fd < 0 ? fd : run_one(hooks->v + i, kind, i, fd, &error);

                if (r < 0 && buf_printf(notes, "%s\n", error.text) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_hook(const OciHook *hook, int socket, int state_fd, char ***argv) {
        bool limited = hook->timeout.set && hook->timeout.value < INT32_MAX;
        size_t n_args = hook->args ? strv_length(hook->args) : 1, n_env = strv_length(hook->env);
        int r = strv_append(argv, "hook");

        if (r >= 0)
                r = strv_append_format(argv, "%d", socket);
        if (r >= 0)
                r = strv_append_format(argv, "%d", state_fd);
        if (r >= 0)
                r = strv_append_format(argv, "%lld",
                                       limited ? (long long) hook->timeout.value : 0LL);
        if (r >= 0)
                r = strv_append_format(argv, "%zu", n_args);
        if (r >= 0)
                r = strv_append_format(argv, "%zu", n_env);
        if (r >= 0)
                r = strv_append(argv, hook->path);
        if (r >= 0 && !hook->args)
                r = strv_append(argv, hook->path);
        STRV_FOREACH(a, hook->args)
                if (r >= 0)
                        r = strv_append(argv, *a);
        if (r >= 0)
                r = strv_append(argv, "");
        STRV_FOREACH(v, hook->env)
                if (r >= 0)
                        r = strv_append(argv, *v);
        return r < 0 ? r : strv_append(argv, "");
}

int oci_hooks_for_init(const OciHooks *hooks, const Run *run, int socket, char ***argv) {
        for (size_t i = 0; i < hooks->start_container.n; i++)
                if (add_hook(hooks->start_container.v + i, socket, run->created_fd, argv) < 0)
                        return -ENOMEM;
        return 0;
}

int oci_hooks_explain(uint64_t value, Error *e) {
        unsigned number = (unsigned) (value >> 32), how = value & 0xffff;

        switch ((RunHookEnd) (value >> 16 & 0xffff)) {
        case RUN_HOOK_EXITED:
                return error_set(e, ECHILD, "startContainer hook #%u failed with exit status %u%s",
                                 number, how, how == 127 ? ", which may mean it is not there" : "");
        case RUN_HOOK_KILLED:
                return error_set(e, ECHILD, "startContainer hook #%u was killed by signal %u",
                                 number, how);
        case RUN_HOOK_TOO_SLOW:
                return error_set(e, ETIMEDOUT, "startContainer hook #%u did not end in its time",
                                 number);
        default:
                return error_set(e, how > 0 && how <= 4095 ? (int) how : EPROTO,
                                 "cannot run startContainer hook #%u: %m", number);
        }
}
