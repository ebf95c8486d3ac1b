/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Staying with a joined command for somebody who has the other end of a socket, see join.h. What comes from
 * there is somebody's who may run commands as that user anyway, and is still not believed to be lines. */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/text.h"
#include "spawn/join.h"

#define WORDS_MAX 32 /* "signal 64", and then some */

typedef struct Control {
        int fd; /* -1 = nobody is there any more */
        char line[WORDS_MAX];
        size_t n;
} Control;

static void take_line(const Joined *j, const char *line) {
        const char *number = str_skip_prefix(line, "signal ");
        uint64_t signal;

        if (number && parse_u64(number, 1, (uint64_t) SIGRTMAX, &signal) >= 0)
                join_signal(j, (int) signal);
}

/* Return: true while somebody is there. */
static bool hear(const Joined *j, Control *c) {
        char byte[256];
        ssize_t n = recv(c->fd, byte, sizeof byte, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return true;
        for (ssize_t i = 0; i < n; i++) {
                if (byte[i] != '\n') {
                        c->line[c->n] = byte[i];
                        c->n = MIN(c->n + 1, sizeof c->line - 1);
                        continue;
                }
                c->line[c->n] = '\0';
                c->n = 0;
                take_line(j, c->line);
        }
        return n > 0;
}

static int watch(const Joined *j, Control *c, Error *e) {
        for (;;) {
                struct pollfd fds[] = { { .fd = j->pidfd, .events = POLLIN },
                                        { .fd = c->fd, .events = POLLIN } };

                if (poll(fds, ELEMENTSOF(fds), -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return error_set(e, errno, "cannot wait for the command: %m");
                }
                if (fds[0].revents)
                        return 0;
                if (fds[1].revents && !hear(j, c)) {
                        c->fd = -1;
                        join_end(j);
                }
        }
}

int join_wait_controlled(Joined *j, int control, Error *e) {
        Control c = { .fd = control };
        char text[512];
        siginfo_t info;
        Error own = {};
        int r = watch(j, &c, &own);

        if (r < 0)
                join_end(j);
        else
                r = join_reap(j, &info, &own);
        if (r < 0)
                (void) snprintf(text, sizeof text, "failed %s\n", own.text);
        else
                (void) snprintf(text, sizeof text, "%s %d\n",
                                info.si_code == CLD_EXITED ? "exited" : "killed", info.si_status);
        if (control >= 0)
                (void) !send(control, text, strlen(text), MSG_NOSIGNAL);
        if (r < 0 && e)
                *e = own;
        return r;
}
