/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking skep-fetch, see fetcher.h. What it answers was made from the words of servers: it is shown, within its
 * bounds, and not trusted. */
#include "importer/fetcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/helper.h"
#include "importer/netrc.h"
#include "importer/url.h"

#define TICK_MSEC 100
#define SHOWN_SIZE                                                                                 \
        ((uint64_t) 1024 * 1024) /* the progress of what is smaller is not worth a word */

void fetcher_init(Fetcher *f, const FetchOptions *options, Output *o, int cancel_fd) {
        *f = (Fetcher){
                .options = options, .output = o, .cancel_fd = cancel_fd, .aide = AIDE_NULL
        };
}

void fetcher_done(Fetcher *f) {
        aide_done(&f->aide);
        f->state = NULL;
}

/* Text of the request in memory. */
static int request_fd(const FetchRequest *q, Error *e) {
        _cleanup_(buf_done) Buf text = {};
        _cleanup_fd_ int fd = memfd_create("request", MFD_CLOEXEC);
        int r = fetch_request_format(q, &text);

        if (r >= 0)
                r = fd < 0 ? -errno : fd_write_all(fd, text.p, text.n);
        if (text.p)
                explicit_bzero(text.p, text.n);
        return r < 0 ? error_set(e, r, "cannot write a request: %m") : TAKE_FD(fd);
}

/* Adds what the options say; of the secrets, those for this host. */
static int complete(const Fetcher *f, const FetchRequest *request, FetchRequest *ret, Error *e) {
        const FetchOptions *o = f->options;
        _cleanup_free_ char *host = url_host(request->url);
        int r = host ? 0 : -ENOMEM;

        *ret = (FetchRequest){ .limit = request->limit,
                               .stall = o->stall,
                               .connections = request->connections ? request->connections
                                                                   : o->connections,
                               .retries = o->retries,
                               .unpacked = request->unpacked,
                               .is_pinned = request->is_pinned,
                               .stays_secure = request->stays_secure };
        if (r >= 0)
                r = str_replace(&ret->url, request->url);
        if (r >= 0)
                r = str_replace(&ret->etag, request->etag);
        if (r >= 0)
                r = str_replace(&ret->modified, request->modified);
        if (r >= 0)
                r = str_replace(&ret->place, request->place);
        if (r >= 0)
                r = str_replace(&ret->tls_certificate, o->tls_certificate);
        if (r >= 0)
                r = str_replace(&ret->tls_key, o->tls_key);
        if (r >= 0)
                r = str_replace(&ret->tls_ca, o->tls_ca);
        if (r < 0)
                return error_oom(e);
        return o->netrc ? netrc_find(o->netrc, host, &ret->user, &ret->password, e) : 0;
}

static int send_all(Fetcher *f, int q_fd, int state_fd, int file_fd, int feed_fd, Error *e) {
        int sock = f->aide.sock, r;

        r = handshake_send_fd(sock, FETCH_FD_REQUEST, q_fd);
        if (r >= 0)
                r = handshake_send_fd(sock, FETCH_FD_STATE, state_fd);
        if (r >= 0)
                r = handshake_send_fd(sock, FETCH_FD_FILE, file_fd);
        if (r >= 0 && feed_fd >= 0)
                r = handshake_send_fd(sock, FETCH_FD_FEED, feed_fd);
        if (r >= 0)
                r = handshake_send_phase(sock, FETCH_GO);
        /* If it is dead already, its last words say why. */
        return r < 0 && r != -EPIPE ? error_set(e, r, "cannot send a request: %m") : 0;
}

int fetcher_ask(Fetcher *f, const FetchRequest *request, FetchState *state, int state_fd,
                int file_fd, int feed_fd, Error *e) {
        _cleanup_(fetch_request_done) FetchRequest q = {};
        int r = 0;

        if (f->aide.sock < 0)
                r = aide_start(&f->aide, "skep-fetch", (char *const[]){ NULL }, NULL, 0, e);
        if (r >= 0)
                r = complete(f, request, &q, e);
        _cleanup_fd_ int q_fd = r < 0 ? r : request_fd(&q, e);
        if (q_fd < 0)
                return q_fd;
        r = send_all(f, q_fd, state_fd, file_fd, feed_fd, e);
        if (r < 0)
                return r;
        f->state = state;
        f->has_result = false;
        return 0;
}

static void finish(Fetcher *f, int r) {
        f->has_result = true;
        f->result = r;
        f->state = NULL;
}

/* One message, which is there. */
static void take_one(Fetcher *f) {
        HandshakeMessage m;
        int r = handshake_receive(f->aide.sock, &m);

        if (r <= 0) {
                (void) error_set(&f->error, EPIPE, "skep-fetch died before it was done");
                finish(f, -EPIPE);
                return;
        }
        (void) fd_close(m.fd);
        m.error.text[sizeof m.error.text - 1] = '\0';
        _cleanup_free_ char *text = str_escape(m.error.text, "");
        if (m.type == HANDSHAKE_NOTE)
                output_note(f->output, LOG_NOTICE, "%s", strempty(text));
        else if (m.type == HANDSHAKE_PHASE && m.number < _FETCH_RESULT_MAX)
                finish(f, (int) m.number);
        else {
                int code = m.type == HANDSHAKE_ERROR && m.error.code < 0 && m.error.code > -4096
                                   ? m.error.code
                                   : -EPROTO;
                finish(f, error_set(&f->error, code, "%s",
                                    text && text[0] ? text : "skep-fetch talks nonsense"));
        }
}

void fetcher_take(Fetcher *f) {
        while (f->state && fd_wait(f->aide.sock, POLLIN, 0) > 0)
                take_one(f);
}

int fetcher_wait(Fetcher *f, int *ret, Error *e) {
        while (f->state) {
                struct pollfd p[] = { { .fd = f->cancel_fd, .events = POLLIN },
                                      { .fd = f->aide.sock, .events = POLLIN } };
                int n = poll(p, ELEMENTSOF(p), TICK_MSEC);

                if (n < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for skep-fetch: %m");
                int signal = cancel_take(f->cancel_fd);
                if (signal > 0)
                        return signal;
                uint64_t head = fetch_state_gap(f->state, 0), size = f->state->size;
                if (size != FETCH_UNKNOWN && size >= SHOWN_SIZE)
                        output_progress(f->output, head, size);
                fetcher_take(f);
        }
        if (!f->has_result)
                return error_set(e, ENOTCONN, "nothing was asked of skep-fetch");
        if (f->result < 0) {
                *e = f->error;
                return f->result;
        }
        *ret = f->result;
        return 0;
}

/* A regular file, whatever that may be on the host; the URL is the caller's. */
static int open_file_url(const char *url, int *ret_fd, Error *e) {
        _cleanup_free_ char *path = NULL;
        struct stat st;
        int r = url_file_path(url, &path, e);

        if (r < 0)
                return r;
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        if (!S_ISREG(st.st_mode))
                return error_set(e, EINVAL, "'%s' is not a regular file", path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int fetcher_get_file(Fetcher *f, const char *url, uint64_t max, bool stays_secure, int *ret_fd,
                     Error *e) {
        const FetchRequest q = {
                .url = (char *) url, .limit = max, .connections = 1, .stays_secure = stays_secure
        };
        _cleanup_(fetch_state_unmapp) FetchState *state = NULL;
        _cleanup_fd_ int state_fd = -EBADF, fd = -EBADF;
        int result, r;

        if (url_is_file(url))
                return open_file_url(url, ret_fd, e);
        fd = memfd_create("fetched", MFD_CLOEXEC);
        r = fd < 0 ? -errno : fetch_state_new(&state, &state_fd);
        if (r < 0)
                return error_set(e, r, "cannot make a file in memory: %m");
        r = fetcher_ask(f, &q, state, state_fd, fd, -EBADF, e);
        if (r >= 0)
                r = fetcher_wait(f, &result, e);
        f->state = NULL;
        if (r != 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int fetcher_get(Fetcher *f, const char *url, size_t max, bool stays_secure, char **ret,
                size_t *ret_n, Error *e) {
        _cleanup_fd_ int fd = -EBADF;
        int r = fetcher_get_file(f, url, max, stays_secure, &fd, e);

        if (r != 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return error_set(e, errno, "cannot read what was fetched: %m");
        r = fd_read_all(fd, max, ret, ret_n);
        if (r < 0) {
                _cleanup_free_ char *shown = url_redacted(url);
                return error_set(e, r, "cannot read %s: %m", strempty(shown));
        }
        return 0;
}
