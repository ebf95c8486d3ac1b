/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of skep-spawn that only reads, see spawner.h: the one parser of settings says what is wrong. */
#include "ctl/spawner.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "paths.h"

extern char **environ;

/* Runs a program with its errors in a pipe. Return: 0 and its wait status; -errno. */
static int run(char *const *argv, char **ret_errors, int *ret_status) {
        _cleanup_fd_ int from = -EBADF, to = -EBADF;
        posix_spawn_file_actions_t actions;
        int fds[2], r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        from = fds[0];
        to = fds[1];
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_RDWR,
                                                     0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, to, STDERR_FILENO);
        /* Where PID 1 starts it. */
        if (r == 0)
                r = posix_spawn_file_actions_addchdir_np(&actions, "/");
        if (r == 0)
                r = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;

        to = fd_close(to);
        r = fd_read_all(from, 16384, ret_errors, NULL);
        from = fd_close(from);
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return r;
}

int spawner_try(char *const *arguments, Error *e) {
        static const char program[] = SKEP_BINDIR "/skep-spawn";
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *errors = NULL;
        int status, r = strv_append(&argv, program);

        if (r >= 0)
                r = strv_append(&argv, "--quiet");
        if (r >= 0)
                r = strv_append(&argv, "--dump-settings");
        STRV_FOREACH(a, arguments)
                if (r >= 0)
                        r = strv_append(&argv, *a);
        if (r < 0)
                return error_oom(e);

        r = run(argv, &errors, &status);
        if (r < 0)
                return error_set(e, r, "cannot ask %s: %m", program);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;

        const char *said = str_skip_prefix(str_strip(errors), "skep-spawn: ");
        return error_set(e, EINVAL, "%s", said ? said : errors);
}
