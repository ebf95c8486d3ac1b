/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs gpg to sign, see sign.h. What it is given and what it says is in memory, so no file is there before it is
 * signed. */
#include "app/sign.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "base/text.h"

#define OUTPUT_MAX ((size_t) 64 * 1024)

enum { IN, OUT, ERR, N_FDS };

/* In the child. Whoever asks for a passphrase has to know the terminal, which is not gpg's input. */
_noreturn_ static void run_gpg(const int fds[static N_FDS], const char *key) {
        const char *argv[16] = { "gpg", "--batch", "--armor", "--output", "-" };
        char terminal[64];
        sigset_t none;
        size_t n = 5;

        if (!getenv("GPG_TTY") && ttyname_r(STDERR_FILENO, terminal, sizeof terminal) == 0)
                (void) setenv("GPG_TTY", terminal, 1);
        if (key[0]) {
                argv[n++] = "--local-user";
                argv[n++] = key;
        }
        argv[n++] = "--detach-sign";
        for (int i = 0; i < N_FDS; i++)
                if (dup2(fds[i], i) < 0)
                        _exit(127);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        (void) execvp("gpg", (char *const *) argv);
        _exit(127);
}

static int wait_for(pid_t pid, int *ret_status) {
        siginfo_t info;

        while (waitid(P_PID, (id_t) pid, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return -errno;
        *ret_status = info.si_code == CLD_EXITED ? info.si_status : 1;
        return 0;
}

static int read_back(int fd, char **ret, size_t *ret_n) {
        return lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd_read_all(fd, OUTPUT_MAX, ret, ret_n);
}

/* What it said last is why. */
static int refused(int status, int err_fd, Error *e) {
        _cleanup_free_ char *text = NULL;
        const char *last = "";

        if (status == 127)
                return error_set(e, ENOKEY, "cannot sign: gpg cannot be run, is it installed?");
        if (read_back(err_fd, &text, NULL) >= 0 && text) {
                char *line = str_strip(text);
                const char *newline = strrchr(line, '\n');
                last = newline ? newline + 1 : line;
        }
        _cleanup_free_ char *shown = str_escape(last, "");
        return error_set(e, ENOKEY, "cannot sign: %.300s",
                         shown && shown[0] ? shown : "gpg failed and did not say why");
}

int sign_detached(const void *text, size_t n, const char *key, char **ret, size_t *ret_n,
                  Error *e) {
        _cleanup_fd_ int in = memfd_create("text", MFD_CLOEXEC);
        _cleanup_fd_ int out = memfd_create("signature", MFD_CLOEXEC);
        _cleanup_fd_ int err = memfd_create("words", MFD_CLOEXEC);
        const int fds[N_FDS] = { in, out, err };
        int status = 1, r = in < 0 || out < 0 || err < 0 ? -errno : fd_write_all(in, text, n);

        if (r >= 0 && lseek(in, 0, SEEK_SET) < 0)
                r = -errno;
        pid_t pid = r < 0 ? -1 : fork();
        if (pid == 0)
                run_gpg(fds, key);
        if (r >= 0 && pid < 0)
                r = -errno;
        if (r >= 0)
                r = wait_for(pid, &status);
        if (r < 0)
                return error_set(e, r, "cannot run gpg: %m");
        if (status != 0)
                return refused(status, err, e);
        r = read_back(out, ret, ret_n);
        return r < 0 ? error_set(e, r, "cannot read a signature: %m") : 0;
}
