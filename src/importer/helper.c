/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forks, watches and reaps processes of the worker, see helper.h. What they do is their callers'. */
#include "importer/helper.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/proc.h"
#include "base/text.h"

#define TICK_NSEC 100000000

void *helper_state_new(size_t size) {
        HelperState *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                              0);

        if (s == MAP_FAILED)
                return NULL;
        atomic_store(&s->done, RECORD_UNKNOWN);
        atomic_store(&s->total, RECORD_UNKNOWN);
        return s;
}

void helper_state_free(void *state, size_t size) {
        if (state)
                (void) munmap(state, size);
}

_noreturn_ static void run_child(const Helper *h, HelperState *state, pid_t parent) {
        int r;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        r = fd_close_range_except(h->keep, h->n_keep);
        if (r < 0)
                (void) error_set(&state->error, r, "cannot close descriptors: %m");
        else
                r = h->run(h->context, state, &state->error);
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

int helper_start(const Helper *h, HelperState *state, int *ret_pidfd, Error *e) {
        struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
        pid_t parent = getpid();
        int pidfd = -EBADF;

        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == 0)
                run_child(h, state, parent);
        if (pid < 0)
                return error_set(e, (int) pid, "cannot start %s: %m", h->name);
        *ret_pidfd = pidfd;
        return 0;
}

int helper_watch(int pidfd, int cancel_fd, const HelperState *state, Output *o, Error *e) {
        const struct timespec tick = { .tv_nsec = TICK_NSEC };
        struct pollfd p[] = { { .fd = cancel_fd, .events = POLLIN },
                              { .fd = pidfd, .events = POLLIN } };

        for (;;) {
                int n = ppoll(p, ELEMENTSOF(p), &tick, NULL);

                if (n < 0 && errno != EINTR) {
                        int r = error_set(e, errno, "cannot wait for a process: %m");
                        (void) proc_pidfd_signal(pidfd, SIGKILL);
                        return r;
                }
                int signal = cancel_take(cancel_fd);
                if (signal > 0) {
                        (void) proc_pidfd_signal(pidfd, SIGKILL);
                        return signal;
                }

                int phase = atomic_load_explicit(&state->phase, memory_order_relaxed);
                if (phase > 0 && phase < _PHASE_MAX)
                        output_phase(o, (Phase) phase);
                output_progress(o, atomic_load_explicit(&state->done, memory_order_relaxed),
                                atomic_load_explicit(&state->total, memory_order_relaxed));
                if (n > 0 && p[1].revents)
                        return 0;
        }
}

int helper_result(const Helper *h, const HelperState *state, int pidfd, Error *e) {
        siginfo_t info;
        int r = proc_wait(pidfd, &info);

        if (r < 0)
                return error_set(e, r, "cannot wait for %s: %m", h->name);
        if (info.si_code == CLD_EXITED && info.si_status == 0)
                return 0;
        if (info.si_code != CLD_EXITED)
                return error_set(e, EIO, "%s was killed by %s", h->name,
                                 signal_name(info.si_status));

        /* What a process that read foreign bytes has to say is shown, not trusted. */
        Error told = state->error;
        told.text[sizeof told.text - 1] = '\0';
        _cleanup_free_ char *text = str_escape(told.text, "");
        int code = told.code < 0 && told.code > -4096 ? told.code : -EIO;
        return text && text[0] ? error_set(e, code, "%s", text)
                               : error_set(e, code, "%s failed", h->name);
}

int helper_run(const Helper *h, HelperState *state, int cancel_fd, Output *o, Error *e) {
        _cleanup_fd_ int pidfd = -EBADF;
        int r = helper_start(h, state, &pidfd, e);

        if (r < 0)
                return r;
        int watched = helper_watch(pidfd, cancel_fd, state, o, e);
        r = helper_result(h, state, pidfd, watched == 0 ? e : NULL);
        return watched != 0 ? watched : r;
}

int cancel_open(Error *e) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? error_set(e, errno, "cannot receive signals: %m") : fd;
}

int cancel_take(int cancel_fd) {
        struct signalfd_siginfo info;

        return read(cancel_fd, &info, sizeof info) == sizeof info ? (int) info.ssi_signo : 0;
}
