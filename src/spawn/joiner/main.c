/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-join: runs commands in machines for the registry. Whatever filters a daemon's sandbox has, its
 * children have as well, and who is filtered cannot even see by what a machine is. So the registry, which is
 * shut in, asks this, which is not: it listens on a socket that root alone can connect to, and each request
 * gets a process. Confined like the machine is the command; this stays outside. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/report.h"
#include "base/aide.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/text.h"
#include "spawn/joiner/serve.h"

#define LISTEN_FD 3 /* as systemd has it */
#define IDLE_MSEC 60000

/* Who may ask: those who could do it all themselves. */
static bool may_ask(int sock) {
        struct ucred peer;
        socklen_t n = sizeof peer;

        return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &n) >= 0 &&
               (peer.uid == 0 || peer.uid == geteuid());
}

/* Return: whether a process was started for it. */
static bool take(int listener) {
        _cleanup_fd_ int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        sigset_t none;

        if (sock < 0)
                return false;
        if (!may_ask(sock)) {
                report(LOG_WARNING, "a request came from who is not root");
                return false;
        }
        pid_t pid = fork();
        if (pid < 0)
                report(LOG_ERR, "cannot fork: %s", error_errno_text(errno));
        if (pid != 0)
                return pid > 0;

        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) fd_close_range_except(&sock, 1);
        _exit(serve(TAKE_FD(sock)));
}

static unsigned reap_all(int signals, unsigned children) {
        struct signalfd_siginfo si;

        (void) !read(signals, &si, sizeof si);
        while (children > 0 && waitpid(-1, NULL, WNOHANG) > 0)
                children--;
        return children;
}

static int listen_and_serve(void) {
        unsigned children = 0;
        sigset_t mask;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        _cleanup_fd_ int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals < 0) {
                report(LOG_ERR, "cannot wait for signals: %s", error_errno_text(errno));
                return EXIT_FAILURE;
        }
        (void) fd_set_cloexec(LISTEN_FD, true);
        (void) fd_set_nonblock(LISTEN_FD, true);
        for (;;) {
                struct pollfd fds[] = { { .fd = LISTEN_FD, .events = POLLIN },
                                        { .fd = signals, .events = POLLIN } };
                int n = poll(fds, ELEMENTSOF(fds), children > 0 ? -1 : IDLE_MSEC);

                if (n == 0)
                        return EXIT_SUCCESS; /* the socket starts us again */
                if (n < 0 && errno != EINTR)
                        return EXIT_FAILURE;
                if (fds[0].revents && take(LISTEN_FD))
                        children++;
                if (fds[1].revents)
                        children = reap_all(signals, children);
        }
}

static bool has_listener(void) {
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
        pid_t p;

        return pid && n && parse_pid(pid, &p) >= 0 && p == getpid() && streq(n, "1");
}

int main(int argc, char *argv[]) {
        report_init("skep-join");
        (void) signal(SIGPIPE, SIG_IGN);
        if (argc == 2 && streq(argv[1], "--version")) {
                (void) puts("skep-join " SKEP_VERSION);
                return EXIT_SUCCESS;
        }
        /* Where nothing listens, the registry starts one for one request. */
        if (argc == 2 && streq(argv[1], "--once"))
                return serve(AIDE_SOCKET);
        if (argc > 1 || !has_listener()) {
                report(LOG_ERR, "is started by skep-join.socket");
                return 2;
        }
        return listen_and_serve();
}
