/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows long text through a pager. Does not decide which output is worth one. */
#include "ctl/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static bool is_long(const char *text, size_t n) {
        struct winsize ws;
        size_t lines = 0;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0)
                return false;
        for (size_t i = 0; i < n; i++)
                lines += text[i] == '\n';
        return lines >= ws.ws_row;
}

static const char *pager_command(void) {
        const char *s = getenv("SYSTEMD_PAGER"), *term = getenv("TERM");

        if (!s)
                s = getenv("PAGER");
        if (!s)
                s = "less";
        if (!*s || streq(s, "cat") || !term || streq(term, "dumb"))
                return NULL;
        return s;
}

static void run_pager(const char *command, int fd) {
        (void) dup2(fd, STDIN_FILENO);
        (void) setenv("LESS", "FRSXMK", false);
        (void) setenv("LESSCHARSET", "utf-8", false);
        /* Root on behalf of somebody else: no shell, no editor, no other files from within less. */
        if (getenv("SUDO_UID") || getenv("PKEXEC_UID"))
                (void) setenv("LESSSECURE", "1", true);
        (void) signal(SIGPIPE, SIG_DFL);
        (void) execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
}

/* Return: 1 shown, 0 there is no such pager, -errno. */
static int page(const char *command, const char *text, size_t n) {
        int p[2], status = 0;

        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        pid_t pid = fork();
        if (pid == 0)
                run_pager(command, p[0]);
        (void) fd_close(p[0]);
        if (pid < 0) {
                int r = -errno;
                (void) fd_close(p[1]);
                return r;
        }

        /* ^C is for the pager. */
        sighandler_t before = signal(SIGINT, SIG_IGN);
        (void) fd_write_all(p[1], text, n);
        (void) fd_close(p[1]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        (void) signal(SIGINT, before);
        return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? 0 : 1;
}

int pager_show(const char *text, size_t n, bool allow_pager, Error *e) {
        const char *command;
        int r;

        if (n == 0)
                return 0;
        if (allow_pager && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && is_long(text, n) &&
            (command = pager_command())) {
                r = page(command, text, n);
                if (r != 0)
                        return r < 0 ? error_set(e, r, "cannot run the pager: %m") : 0;
        }
        r = fd_write_all(STDOUT_FILENO, text, n);
        if (r < 0 && r != -EPIPE)
                return error_set(e, r, "cannot write to standard output: %m");
        return 0;
}
