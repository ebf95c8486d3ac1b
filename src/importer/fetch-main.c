/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-fetch: the aide that talks to servers, for one transfer. It takes requests over its handshake socket, one
 * after another, so that connections are used again; each comes with a descriptor to write to, for it can open
 * none itself. It ends when its socket is closed. */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/aide.h"
#include "base/fd.h"
#include "importer/fetch-confine.h"
#include "importer/fetch-job.h"

#define FDS 4

typedef struct Call {
        int fds[FDS];
} Call;

static void call_done(Call *c) {
        for (size_t i = 0; i < FDS; i++)
                c->fds[i] = fd_close(c->fds[i]);
}

/* Waits for a request. Return: 1; 0 there will be none; -errno. */
static int receive(Call *ret, Error *e) {
        for (;;) {
                HandshakeMessage m;
                int r = handshake_receive(AIDE_SOCKET, &m);

                if (r < 0)
                        return error_set(e, r, "cannot receive a request: %m");
                if (r == 0)
                        return 0;
                if (m.type == HANDSHAKE_PHASE && m.number == FETCH_GO)
                        return 1;
                if (m.type != HANDSHAKE_FD || m.number >= FDS || ret->fds[m.number] >= 0) {
                        (void) fd_close(m.fd);
                        return error_set(e, EPROTO, "this is no request");
                }
                ret->fds[m.number] = m.fd;
        }
}

static int read_request(int fd, FetchRequest *ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n;

        if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return error_set(e, EPROTO, "this is no request");
        int r = fd_read_all(fd, FETCH_REQUEST_MAX, &text, &n);
        if (r < 0)
                return error_set(e, r, "cannot read a request: %m");
        r = fetch_request_parse(text, n, ret, e);
        explicit_bzero(text, n);
        return r;
}

/* Return: a FETCH_… result; -errno. */
static int answer(CURLM *multi, const Call *c, Error *e) {
        _cleanup_(fetch_request_done) FetchRequest q = {};
        _cleanup_(fetch_state_unmapp) FetchState *state = NULL;
        struct stat st;
        int r = read_request(c->fds[FETCH_FD_REQUEST], &q, e);

        if (r < 0)
                return r;
        r = fetch_state_map(c->fds[FETCH_FD_STATE], &state);
        if (r < 0 || fstat(c->fds[FETCH_FD_FILE], &st) < 0)
                return error_set(e, r < 0 ? r : errno,
                                 "cannot use the descriptors of a request: %m");
        if (!fetch_state_is_sane(state, (uint64_t) st.st_size))
                return error_set(e, EBADMSG, "the state of a download makes no sense");
        return fetch_job_run(multi, &q, state, c->fds[FETCH_FD_FILE], c->fds[FETCH_FD_FEED],
                             AIDE_SOCKET, e);
}

static int serve(CURLM *multi, Error *e) {
        for (;;) {
                _cleanup_(call_done) Call c = { { -EBADF, -EBADF, -EBADF, -EBADF } };
                Error why = {};
                int r = receive(&c, e);

                if (r <= 0)
                        return r;
                r = answer(multi, &c, &why);
                /* The end of the pipe is to be seen before the result is. */
                call_done(&c);
                r = r < 0 ? handshake_send_error(AIDE_SOCKET, &why)
                          : handshake_send_phase(AIDE_SOCKET, (uint32_t) r);
                if (r < 0)
                        return 0;
        }
}

int main(int argc, char *argv[]) {
        Error e = {};
        int r = 0;

        (void) argv;
        (void) signal(SIGPIPE, SIG_IGN);
        if (argc > 1)
                r = error_set(&e, EINVAL, "skep-fetch is for other programs of skep alone");
        if (r >= 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                r = error_set(&e, EIO, "cannot prepare libcurl");
        if (r >= 0)
                r = confine_fetcher(&e);
        CURLM *multi = r < 0 ? NULL : curl_multi_init();
        if (r >= 0 && !multi)
                r = error_oom(&e);
        if (r >= 0) {
                /* Several lanes are several connections. */
                (void) curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING);
                r = serve(multi, &e);
        }
        (void) curl_multi_cleanup(multi);
        return r < 0 ? aide_end(r, &e) : 0;
}
