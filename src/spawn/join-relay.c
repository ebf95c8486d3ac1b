/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes between terminals of ours and pipes of a joined command, see join-relay.h. */
#include "spawn/join-relay.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

int join_relay_open(JoinRelay *r, int stdio[static 3], Error *e) {
        for (unsigned i = 0; i < JOIN_RELAY_WAYS; i++) {
                JoinRelayWay *w = r->ways + i;
                int pair[2];

                if (!isatty(stdio[i]))
                        continue;
                if (pipe2(pair, O_CLOEXEC) < 0)
                        return error_set(e, errno, "cannot make a pipe: %m");
                r->inner[i] = pair[i == 0 ? 0 : 1];
                w->from = i == 0 ? stdio[i] : pair[0];
                w->to = i == 0 ? pair[1] : stdio[i];
                int own = i == 0 ? w->to : w->from;
                int ret = fd_set_nonblock(own, true);
                if (ret < 0)
                        return error_set(e, ret, "cannot use a pipe: %m");
                stdio[i] = r->inner[i];
        }
        return 0;
}

void join_relay_started(JoinRelay *r) {
        for (unsigned i = 0; i < JOIN_RELAY_WAYS; i++)
                r->inner[i] = fd_close(r->inner[i]);
}

/* The end of one side is told to the other; the terminals stay open. */
static void end_way(JoinRelay *r, unsigned i) {
        JoinRelayWay *w = r->ways + i;

        (void) fd_close(i == 0 ? w->to : w->from);
        w->from = w->to = -EBADF;
        w->at = w->n = 0;
}

void join_relay_poll(const JoinRelay *r, struct pollfd fds[static JOIN_RELAY_WAYS]) {
        for (unsigned i = 0; i < JOIN_RELAY_WAYS; i++) {
                const JoinRelayWay *w = r->ways + i;

                fds[i] = w->at < w->n ? (struct pollfd){ .fd = w->to, .events = POLLOUT }
                                      : (struct pollfd){ .fd = w->from, .events = POLLIN };
                if (w->from < 0)
                        fds[i].fd = -1;
        }
}

/* Return: whether anything was carried. */
static bool carry(JoinRelay *r, unsigned i) {
        JoinRelayWay *w = r->ways + i;
        ssize_t n;

        if (w->at == w->n) {
                n = read(w->from, w->bytes, sizeof w->bytes);
                if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                        end_way(r, i);
                if (n <= 0)
                        return false;
                w->at = 0;
                w->n = (size_t) n;
        }
        n = write(w->to, w->bytes + w->at, w->n - w->at);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
                end_way(r, i);
        if (n > 0)
                w->at += (size_t) n;
        return n > 0;
}

void join_relay_step(JoinRelay *r, const struct pollfd fds[static JOIN_RELAY_WAYS]) {
        for (unsigned i = 0; i < JOIN_RELAY_WAYS; i++)
                if (fds[i].fd >= 0 && fds[i].revents && r->ways[i].from >= 0)
                        (void) carry(r, i);
}

void join_relay_drain(JoinRelay *r) {
        for (unsigned i = 1; i < JOIN_RELAY_WAYS; i++)
                while (r->ways[i].from >= 0 && carry(r, i))
                        ;
}

void join_relay_done(JoinRelay *r) {
        join_relay_started(r);
        for (unsigned i = 0; i < JOIN_RELAY_WAYS; i++)
                end_way(r, i);
}
