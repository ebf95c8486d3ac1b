/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving a request, see serve.h. The registry has asked whether the user may; here it is carried out, by
 * what skep-spawn --join is made of. */
#include "spawn/joiner/serve.h"

#include <signal.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/proc.h"
#include "spawn/join-describe.h"
#include "spawn/join.h"

/* A peer that says nothing is not waited for any longer. */
#define ASK_USEC ((uint64_t) 30 * 1000000)

typedef struct Asked {
        JoinCall call;
        int fds[_JOIN_CALL_FD_MAX];
} Asked;

static void asked_done(Asked *a) {
        join_call_done(&a->call);
        for (size_t i = 0; i < ELEMENTSOF(a->fds); i++)
                (void) fd_close(a->fds[i]);
}

/* Return: 0 all is there; -errno. */
static int receive(int sock, Asked *a, Error *e) {
        for (;;) {
                HandshakeMessage m;
                int r = fd_wait(sock, POLLIN, ASK_USEC);

                if (r >= 0)
                        r = r == 0 ? -ETIMEDOUT : handshake_receive(sock, &m);
                if (r <= 0)
                        return error_set(e, r < 0 ? r : EPIPE, "cannot read the request: %m");
                if (m.type == HANDSHAKE_PHASE && m.number == JOIN_CALL_SENT)
                        return 0;
                if (m.type != HANDSHAKE_FD || m.number >= _JOIN_CALL_FD_MAX) {
                        (void) fd_close(m.fd);
                        return error_set(e, EPROTO, "the request makes no sense");
                }
                (void) fd_close(a->fds[m.number]);
                a->fds[m.number] = m.fd;
        }
}

static int read_call(Asked *a, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        if (a->fds[JOIN_CALL_LEADER] < 0 || a->fds[JOIN_CALL_TEXT] < 0)
                return error_set(e, EPROTO, "the request has not all its descriptors");
        if (lseek(a->fds[JOIN_CALL_TEXT], 0, SEEK_SET) < 0)
                return error_set(e, errno, "cannot read the request: %m");
        r = fd_read_all(a->fds[JOIN_CALL_TEXT], JOIN_CALL_TEXT_MAX, &text, &n);
        if (r < 0)
                return error_set(e, r, "cannot read the request: %m");
        r = join_call_parse(text, n, &a->call, e);
        for (int i = 0; i < 3 && r >= 0 && !a->call.terminal; i++)
                if (a->fds[i] < 0)
                        return error_set(e, EPROTO, "the request lacks standard streams");
        return r;
}

static int find_target(Asked *a, JoinTarget *ret, Error *e) {
        _cleanup_free_ char *name = str_format("machine '%s'", a->call.machine);
        int r = name ? 0 : -ENOMEM;

        if (r >= 0)
                r = join_target_open_pid(a->call.leader, TAKE_FD(a->fds[JOIN_CALL_LEADER]), name,
                                         ret, e);
        if (r >= 0)
                join_target_find_supervisor(ret);
        return r;
}

static int start(Asked *a, Joined *j, int *ret_status, Error *e) {
        _cleanup_(join_target_done) JoinTarget t = JOIN_TARGET_NULL;
        _cleanup_(join_request_done) JoinRequest q;

        join_request_init(&q);
        int r = find_target(a, &t, e);
        if (r < 0)
                return r;
        r = join_describe(&a->call, &t, &q, e);
        if (r < 0)
                return r;
        if (!a->call.terminal)
                for (unsigned i = 0; i < 3; i++)
                        q.stdio[i] = a->fds[i];
        return join_start(&t, &q, j, ret_status, e);
}

/* With none of the command's descriptors open here, or its peers would wait for us. */
static void forget_streams(Asked *a, Joined *j) {
        for (unsigned i = 0; i < 3; i++)
                a->fds[i] = fd_close(a->fds[i]);
        j->terminal_fd = fd_close(j->terminal_fd);
}

int serve(int sock) {
        _cleanup_(asked_done)
                Asked a = { .fds = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF } };
        _cleanup_(joined_done) Joined j = JOINED_NULL;
        int status = EXIT_SETUP;
        Error e = {};
        int r = receive(sock, &a, &e);

        if (r >= 0)
                r = read_call(&a, &e);
        if (r >= 0)
                r = start(&a, &j, &status, &e);
        if (r < 0) {
                (void) handshake_send_id(sock, JOIN_CALL_STATUS, (uint64_t) status);
                (void) handshake_send_error(sock, &e);
                return EXIT_FAILURE;
        }
        if (j.terminal_fd >= 0)
                r = handshake_send_fd(sock, JOIN_CALL_TERMINAL, j.terminal_fd);
        if (r >= 0)
                r = handshake_send_phase(sock, JOIN_CALL_RUNS);
        forget_streams(&a, &j);
        (void) fd_close(sock);
        /* Who was not told that it runs believes that it does not. */
        if (r < 0)
                join_end(&j);
        int k = join_wait_controlled(&j, a.fds[JOIN_CALL_CONTROL], &e);
        return r < 0 || k < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
