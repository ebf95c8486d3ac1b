/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting small programs of ours and hearing how they fared, see aide.h. What an aide does is its own
 * folder's. */
#include "base/aide.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/path.h"
#include "paths.h"
#include "base/proc.h"

/* In the child: the socket and @fds to where the aide looks for them, everything else closed. They are
 * taken out of the way first, so that none lands on one that is still to be moved. */
static int arrange(int sock, const int *fds, size_t n_fds) {
        int high[1 + AIDE_FDS_MAX];
        unsigned first = AIDE_FDS + (unsigned) n_fds;

        for (size_t i = 0; i <= n_fds; i++) {
                high[i] = fcntl(i == 0 ? sock : fds[i - 1], F_DUPFD, first);
                if (high[i] < 0)
                        return -errno;
        }
        for (size_t i = 0; i <= n_fds; i++)
                if (dup2(high[i], AIDE_SOCKET + (int) i) < 0)
                        return -errno;
        return close_range(first, ~0U, 0) < 0 ? -errno : 0;
}

_noreturn_ static void become(const char *path, char *const *argv, int sock, const int *fds,
                              size_t n_fds) {
        int r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : arrange(sock, fds, n_fds);
        Error e = {};

        if (r >= 0) {
                sock = AIDE_SOCKET;
                (void) execv(path, argv);
                r = -errno;
        }
        if (r == -ENOENT)
                (void) error_set(&e, ENOPKG, "'%s' is not there, which this needs", path);
        else
                (void) error_set(&e, r, "cannot execute '%s': %m", path);
        (void) handshake_send_error(sock, &e);
        _exit(1);
}

static char **full_argv(const char *path, char *const *argv) {
        size_t n = strv_length(argv);
        char **v = calloc(n + 2, sizeof *v);

        if (!v)
                return NULL;
        v[0] = (char *) path;
        for (size_t i = 0; i < n; i++)
                v[i + 1] = argv[i];
        return v;
}

int aide_start(Aide *a, const char *name, char *const *argv, const int *fds, size_t n_fds,
               Error *e) {
        const char *dir = secure_getenv("SKEP_LIBEXECDIR");
        _cleanup_free_ char *path = path_join(dir ? dir : SKEP_LIBEXECDIR, name);
        _cleanup_free_ char **words = path ? full_argv(path, argv) : NULL;
        struct clone_args args = { .exit_signal = SIGCHLD };
        int pair[2], pidfd = -EBADF;

        assert_se(n_fds <= AIDE_FDS_MAX);
        if (!words)
                return error_oom(e);
        int r = handshake_pair(pair);
        if (r < 0)
                return error_set(e, r, "cannot create a socket: %m");
        args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == -ENOSYS) {
                /* Services that are kept from name spaces have no clone3(); clone() keeps what handles signals
                 * until the aide is executed. */
                args.flags = CLONE_PIDFD;
                pid = proc_clone3(&args);
        }
        if (pid == 0)
                become(path, words, pair[1], fds, n_fds);
        (void) close(pair[1]);
        *a = (Aide){ .name = name, .sock = pair[0], .pidfd = pid < 0 ? -EBADF : pidfd };
        if (pid < 0) {
                aide_done(a);
                return error_set(e, pid, "cannot start %s: %m", name);
        }
        return 0;
}

int aide_finish(Aide *a, Error *e) {
        int r = handshake_expect(a->sock, HANDSHAKE_PHASE, 0, NULL, NULL, e);

        if (r == -EPIPE)
                r = error_set(e, EPIPE, "%s died before it was done", a->name);
        a->sock = fd_close(a->sock);
        (void) proc_wait(a->pidfd, NULL);
        a->pidfd = fd_close(a->pidfd);
        return r;
}

void aide_done(Aide *a) {
        a->sock = fd_close(a->sock);
        if (a->pidfd < 0)
                return;
        (void) proc_pidfd_signal(a->pidfd, SIGKILL);
        (void) proc_wait(a->pidfd, NULL);
        a->pidfd = fd_close(a->pidfd);
}

int aide_end(int r, const Error *e) {
        if (r < 0)
                (void) handshake_send_error(AIDE_SOCKET, e);
        else
                (void) handshake_send_phase(AIDE_SOCKET, 0);
        return r < 0;
}
