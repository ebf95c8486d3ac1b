/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs pkttyagent beside a call that may need a password. Knows nothing of the call. */
#include "ctl/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define READY_USEC UINT64_C(5000000) /* longest wait until the agent is registered */

static void run_agent(int notify_fd, pid_t parent) {
        char fd[16];

        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        if (fd_set_cloexec(notify_fd, false) < 0)
                _exit(EXIT_FAILURE);
        /* It stays in our process group: from the background it could not read the terminal. */
        (void) signal(SIGPIPE, SIG_DFL);
        (void) snprintf(fd, sizeof(fd), "%d", notify_fd);
        (void) execlp("pkttyagent", "pkttyagent", "--notify-fd", fd, "--fallback", NULL);
        _exit(EXIT_FAILURE);
}

void agent_start(Agent *a) {
        int p[2];
        char c;

        if (a->tried || geteuid() == 0 || !isatty(STDIN_FILENO))
                return;
        a->tried = true;
        if (pipe2(p, O_CLOEXEC) < 0)
                return;

        pid_t parent = getpid(), pid = fork();
        if (pid == 0)
                run_agent(p[1], parent);
        (void) fd_close(p[1]);
        if (pid > 0) {
                a->pid = pid;
                /* The agent closes its end when it is ready, and when it is not to be had. */
                if (fd_wait(p[0], POLLIN, READY_USEC) > 0)
                        (void) !read(p[0], &c, 1);
        }
        (void) fd_close(p[0]);
}

void agent_stop(Agent *a) {
        if (a->pid <= 0)
                return;
        (void) kill(a->pid, SIGTERM);
        (void) kill(a->pid, SIGCONT);
        while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        a->pid = 0;
}
