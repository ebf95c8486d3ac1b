/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts workers. They live on when the daemon ends: nothing ties them to it. */
#include <fcntl.h>
#include <unistd.h>

#include "base/proc.h"
#include "importer/transfer.h"
#include "paths.h"

#define N_FDS (WORKER_CHECKSUM_FD + 1)

static char *worker_path(void) {
        const char *dir = secure_getenv("SKEP_LIBEXECDIR");

        return str_format("%s/skep-import", dir ? dir : SKEP_LIBEXECDIR);
}

/* In the child. @fds: in the order of the numbers that they get. */
static int arrange(const int fds[static N_FDS]) {
        int high[N_FDS];
        sigset_t none;

        /* Out of the way first: a source may be the number that a target is to be. */
        for (int i = 0; i < N_FDS; i++) {
                high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
                if (fds[i] >= 0 && high[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < N_FDS; i++)
                if (high[i] >= 0 && dup2(high[i], i) < 0)
                        return -errno;

        /* The daemon's loop blocks signals and ignores SIGPIPE. */
        (void) sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setsid() < 0)
                return -errno;
        (void) signal(SIGPIPE, SIG_DFL);
        int last = N_FDS - 1;
        while (high[last] < 0)
                last--;
        return close_range((unsigned) last + 1, ~0u, 0) < 0 ? -errno : 0;
}

/* In the child: whoever finds the log later can tell whose it is. */
static int say_who(int fd) {
        Record record = { .type = RECORD_WORKER, .pid = getpid() };
        int r = proc_start_time(record.pid, &record.start);

        return r < 0 ? r : record_write(fd, &record);
}

int worker_start(char *const *argv, int in_fd, int out_fd, int report_fd, int checksum_fd,
                 pid_t *ret_pid, int *ret_pidfd, Error *e) {
        _cleanup_free_ char *path = worker_path();
        _cleanup_free_ char **full = calloc(strv_length(argv) + 2, sizeof *full);
        _cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
        int pidfd = -EBADF;

        if (!path || !full)
                return error_oom(e);
        if (null < 0)
                return error_set(e, errno, "cannot open /dev/null: %m");
        full[0] = path;
        memcpy(full + 1, argv, strv_length(argv) * sizeof *full);

        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == 0) {
                const int fds[N_FDS] = { in_fd >= 0 ? in_fd : null, out_fd >= 0 ? out_fd : null,
                                         STDERR_FILENO, report_fd, checksum_fd };
                int r = arrange(fds);
                if (r >= 0 && report_fd >= 0)
                        r = say_who(3);
                if (r >= 0)
                        (void) execv(path, full);
                _exit(127);
        }
        if (pid < 0)
                return error_set(e, (int) pid, "cannot start a worker: %m");

        *ret_pid = pid;
        *ret_pidfd = pidfd;
        return 0;
}
