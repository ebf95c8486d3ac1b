/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fetching one file, see fetch-job.h. It is asked for a first part; if the server sends that, and says that
 * there is more, several lanes ask for one part each, the earliest first. What is broken off is gone on with
 * where it ended; who cannot send parts is asked for all of it, and what is there already is compared. */
#include "importer/fetch-job.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/handshake.h"
#include "importer/url.h"

#define REDIRECTS_MAX      10
#define RETRIES_UNANSWERED 3U
#define RETRY_FIRST_USEC   ((uint64_t) 250 * 1000)
#define RETRY_MAX_USEC     ((uint64_t) 30 * 1000 * 1000)
#define RETRY_AFTER_MAX    300                    /* seconds that a server can make us wait */
#define PROGRESS_MIN       ((uint64_t) 64 * 1024) /* bytes before it took too long */
#define SYNC_EVERY         ((uint64_t) 64 * 1024 * 1024)
#define FEED_ONCE          ((size_t) 1024 * 1024)

typedef struct FetchJob {
        LaneShared shared;
        CURLM *multi;
        Lane lanes[FETCH_CONNECTIONS_MAX];
        unsigned n_lanes; /* that may be used at once */
        int feed_fd, sock;
        uint64_t fed;
        bool has_ranges; /* a part was asked for and came */
        bool no_ranges;  /* do not ask for parts */
        bool is_through; /* nothing is left to be fetched */
        bool is_same;    /* and nothing had to be */
        unsigned redirects, failures, lies;
        uint64_t retry_at;
} FetchJob;

static void note(FetchJob *j, const char *what, const Error *why) {
        _cleanup_free_ char *url = url_redacted(j->shared.request->url);
        Error e = {};

        (void) error_set(&e, why->code ? why->code : EIO, "%s: %s; %s", strempty(url), why->text,
                         what);
        (void) handshake_send_note(j->sock, &e);
}

/* Parts are asked for if those that are there can be told from those of another file. */
static bool can_resume(const FetchJob *j) {
        const FetchState *s = j->shared.state;

        return !j->no_ranges &&
               (s->etag[0] == '"' || s->modified[0] || j->shared.request->is_pinned);
}

static bool is_asked_for(const FetchJob *j, uint64_t at) {
        for (unsigned i = 0; i < FETCH_CONNECTIONS_MAX; i++)
                if (j->lanes[i].is_active && at >= j->lanes[i].from && at < j->lanes[i].to)
                        return true;
        return false;
}

/* The first byte that neither is there nor has been asked for; the size if there is none. */
static uint64_t next_gap(const FetchJob *j) {
        const FetchState *s = j->shared.state;
        uint64_t at = fetch_state_gap(s, 0), size = s->size;

        while (at < size && is_asked_for(j, at))
                at = fetch_state_gap(s, (at / s->chunk_size + 1) * s->chunk_size);
        return MIN(at, size);
}

/* Where a lane that begins at @at is to stop. */
static uint64_t gap_end(const FetchJob *j, uint64_t at) {
        const FetchState *s = j->shared.state;
        uint64_t end = fetch_state_gap_end(s, at);

        if (j->shared.request->connections > 1)
                end = MIN(end, (at / s->chunk_size + 1) * s->chunk_size);
        return end;
}

/* The first question of all, or the first after something went wrong. */
static int start_first(FetchJob *j, Error *e) {
        const FetchRequest *q = j->shared.request;
        FetchState *s = j->shared.state;
        uint64_t at = fetch_state_gap(s, 0);
        Lane *l = j->lanes;

        if (fetch_state_is_complete(s)) {
                if (s->size > 0 && (s->etag[0] || s->modified[0]) && !j->shared.is_confirmed)
                        return lane_start(l, j->multi, 0, FETCH_UNKNOWN, false, true, e);
                at = 0;
        }
        if (at > 0 && can_resume(j))
                return lane_start(l, j->multi, at, gap_end(j, at), true, false, e);
        bool is_conditional = at == 0 && (q->etag || q->modified) && !j->shared.is_confirmed;
        if (q->connections > 1 && !j->no_ranges && at == 0)
                return lane_start(l, j->multi, 0, s->chunk_size, true, is_conditional, e);
        if (is_conditional)
                return lane_start(l, j->multi, 0, FETCH_UNKNOWN, false, true, e);
        return lane_start(l, j->multi, 0, FETCH_UNKNOWN, false, false, e);
}

static int start_lanes(FetchJob *j, Error *e) {
        const FetchState *s = j->shared.state;
        int r = 0;

        if (j->is_through || now_usec() < j->retry_at)
                return 0;
        if (!j->has_ranges || !can_resume(j) || s->size == FETCH_UNKNOWN)
                return j->shared.n_active == 0 ? start_first(j, e) : 0;
        for (unsigned i = 0; i < FETCH_CONNECTIONS_MAX && r >= 0; i++) {
                uint64_t at = next_gap(j);
                if (j->shared.n_active >= j->n_lanes || at >= s->size)
                        break;
                if (!j->lanes[i].is_active)
                        r = lane_start(j->lanes + i, j->multi, at, gap_end(j, at), true, false, e);
        }
        return r;
}

static void stop_lanes(FetchJob *j) {
        for (unsigned i = 0; i < FETCH_CONNECTIONS_MAX; i++)
                if (j->lanes[i].is_active)
                        (void) lane_finish(j->lanes + i, j->multi, CURLE_ABORTED_BY_CALLBACK);
}

static int fail(FetchJob *j, const Error *why, Error *e) {
        _cleanup_free_ char *url = url_redacted(j->shared.url);

        *e = *why;
        return error_wrap(e, why->code ? why->code : -EIO, "%s", strempty(url));
}

/* What there is, is of another file: begin again, if nobody has been given any of it. */
static int on_changed(FetchJob *j, const Error *why, Error *e) {
        stop_lanes(j);
        if (j->fed > 0 || ++j->lies > 3)
                return fail(j, why, e);
        if (fetch_state_gap(j->shared.state, 0) > 0)
                note(j, "beginning again", why);
        fetch_state_reset(j->shared.state);
        j->shared.is_confirmed = j->has_ranges = false;
        return 0;
}

static int on_redirect(FetchJob *j, Lane *l, Error *e) {
        LaneShared *s = &j->shared;
        Error why = {};

        if (++j->redirects > REDIRECTS_MAX)
                (void) error_set(&why, ELOOP, "there are more than %d redirects", REDIRECTS_MAX);
        else if (!l->target)
                (void) error_set(&why, EPROTO, "the server redirects to nowhere");
        else if (url_is_file(l->target) || url_check(l->target, NULL) < 0)
                (void) error_set(&why, EPROTO,
                                 "the server redirects to what is no http: or https: URL");
        else if (s->request->stays_secure && url_is_https(s->url) && !url_is_https(l->target))
                (void) error_set(&why, EPROTO,
                                 "the server redirects to a connection that is not secure");
        if (error_is_set(&why))
                return fail(j, &why, e);

        _cleanup_free_ char *old = url_host(s->request->url), *new = url_host(l->target);
        if (!old || !new || str_replace(&s->url, l->target) < 0)
                return error_oom(e);
        /* A secret for one host is for no other, and not for the same one in the clear. */
        s->is_foreign = s->is_foreign || !streq(old, new) ||
                        url_is_https(s->request->url) != url_is_https(s->url);
        return 0;
}

/* A server that lets a few bytes through now and then would be asked for ever. */
static bool is_progress(const Lane *l) {
        return l->stored > 0 && (l->error.code != -ETIMEDOUT || l->stored >= PROGRESS_MIN);
}

static int on_retry(FetchJob *j, const Lane *l, Error *e) {
        unsigned limit = j->shared.has_answered
                                 ? j->shared.request->retries
                                 : MIN(j->shared.request->retries, RETRIES_UNANSWERED);
        uint64_t wait = RETRY_FIRST_USEC, told = fetch_head_wait(&l->head, time(NULL));

        if (is_progress(l)) {
                j->failures = 0;
                note(j, "going on", &l->error);
        } else if (j->shared.n_active > 0) {
                /* Others have more luck: there may just be too many of us. */
                j->n_lanes = MAX(1U, j->shared.n_active);
                return 0;
        } else {
                if (++j->failures > limit)
                        return fail(j, &l->error, e);
                wait <<= MIN(j->failures - 1, 16U);
                if (j->failures > 1 || told != FETCH_UNKNOWN)
                        note(j, "trying again", &l->error);
        }
        wait = MIN(wait, RETRY_MAX_USEC);
        if (told != FETCH_UNKNOWN)
                wait = MAX(wait, MIN(told, (uint64_t) RETRY_AFTER_MAX) * 1000000);
        j->retry_at = now_usec() + wait;
        return 0;
}

static int on_no_ranges(FetchJob *j, const Lane *l, Error *e) {
        stop_lanes(j);
        if (j->no_ranges || ++j->lies > 3)
                return fail(j, &l->error, e);
        j->no_ranges = true;
        return 0;
}

static int on_end(FetchJob *j, Lane *l, CURLcode code, Error *e) {
        FetchState *s = j->shared.state;
        LaneOutcome outcome = lane_finish(l, j->multi, code);

        if (l->is_body && is_progress(l))
                j->failures = 0;
        if (l->is_body && l->head.status == 206)
                j->has_ranges = true;
        switch (outcome) {
        case LANE_OK:
                j->is_through = fetch_state_is_complete(s);
                return 0;
        case LANE_NOT_MODIFIED:
                j->is_same = !fetch_state_is_complete(s);
                j->is_through = j->shared.is_confirmed = true;
                return 0;
        case LANE_REDIRECT:
                return on_redirect(j, l, e);
        case LANE_RETRY:
                return on_retry(j, l, e);
        case LANE_NO_RANGES:
                return on_no_ranges(j, l, e);
        case LANE_CHANGED:
                return on_changed(j, &l->error, e);
        default:
                /* Where a redirect led to may be for a while only. */
                if (j->redirects > 0 && l->error.code == -EACCES && j->failures == 0 &&
                    fetch_state_gap(s, 0) > 0 && !streq(j->shared.url, j->shared.request->url)) {
                        j->failures++;
                        j->redirects = 0;
                        j->shared.is_foreign = false;
                        return str_replace(&j->shared.url, j->shared.request->url) < 0
                                       ? error_oom(e)
                                       : 0;
                }
                return fail(j, &l->error, e);
        }
}

static int take_ends(FetchJob *j, Error *e) {
        CURLMsg *m;
        int left, r = 0;

        while (r >= 0 && (m = curl_multi_info_read(j->multi, &left))) {
                Lane *l = NULL;
                if (m->msg != CURLMSG_DONE)
                        continue;
                CURLcode code = m->data.result;
                (void) curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &l);
                if (l && l->is_active)
                        r = on_end(j, l, code, e);
        }
        return r;
}

/* libcurl knows the speed of the last seconds only, to which what came before adds for long: a connection from which
 * nothing comes any more is found here. */
static int end_stalled(FetchJob *j, Error *e) {
        uint64_t now = now_usec(), limit;
        int r = 0;

        if (__builtin_mul_overflow(j->shared.request->stall, UINT64_C(1000000), &limit))
                return 0;
        for (unsigned i = 0; i < FETCH_CONNECTIONS_MAX && r >= 0; i++) {
                Lane *l = j->lanes + i;
                if (!l->is_active || l->heard_at == 0 || now < l->heard_at ||
                    now - l->heard_at < limit)
                        continue;
                (void) snprintf(l->why, sizeof l->why, "nothing came for %llu s: it is too slow",
                                (unsigned long long) j->shared.request->stall);
                r = on_end(j, l, CURLE_OPERATION_TIMEDOUT, e);
        }
        return r;
}

/* Hands on what is there in its order. Return: whether the pipe is full. */
static int feed(FetchJob *j, Error *e) {
        while (j->feed_fd >= 0 && j->shared.is_confirmed) {
                off_t at = (off_t) j->fed;
                uint64_t head = fetch_state_gap(j->shared.state, 0);

                if (head == FETCH_UNKNOWN || j->fed >= head)
                        return 0;
                ssize_t n = splice(j->shared.file_fd, &at, j->feed_fd, NULL,
                                   (size_t) MIN(head - j->fed, (uint64_t) FEED_ONCE),
                                   SPLICE_F_NONBLOCK);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return 1;
                if (n <= 0)
                        return error_set(e, n < 0 ? errno : EIO,
                                         "cannot hand on what was downloaded: %m");
                j->fed += (uint64_t) n;
        }
        return 0;
}

/* What was written once need not be fetched again after a power failure. */
static void sync_some(FetchJob *j) {
        FetchState *s = j->shared.state;
        uint64_t head = fetch_state_gap(s, 0);

        if (head != FETCH_UNKNOWN && head > s->synced + SYNC_EVERY &&
            fdatasync(j->shared.file_fd) >= 0)
                s->synced = head;
}

static int wait_for(FetchJob *j, bool is_full, Error *e) {
        struct curl_waitfd fds[] = { { .fd = j->sock, .events = CURL_WAIT_POLLIN },
                                     { .fd = j->feed_fd, .events = CURL_WAIT_POLLOUT } };
        uint64_t now = now_usec();
        /* Of lanes that are being used it is found out in time that nothing comes. */
        int timeout = 250;

        if (j->shared.n_active == 0 && !is_full && !j->is_through)
                timeout = j->retry_at > now
                                  ? (int) MIN((j->retry_at - now) / 1000 + 1, UINT64_C(1000))
                                  : 0;
        if (curl_multi_poll(j->multi, fds, is_full ? 2 : 1, timeout, NULL) != CURLM_OK)
                return error_set(e, EIO, "cannot wait for the network");
        if (fds[0].revents)
                return error_set(e, ECANCELED, "nobody wants the file any more");
        return 0;
}

static int run(FetchJob *j, Error *e) {
        int r = 0, running;

        for (;;) {
                r = start_lanes(j, e);
                if (r >= 0 && curl_multi_perform(j->multi, &running) != CURLM_OK)
                        r = error_set(e, EIO, "cannot use the network");
                if (r >= 0)
                        r = take_ends(j, e);
                if (r >= 0)
                        r = end_stalled(j, e);
                if (r < 0)
                        return r;
                int full = j->is_same ? 0 : feed(j, e);
                if (full < 0)
                        return full;
                if (j->is_through && (j->is_same || j->feed_fd < 0 || !full))
                        return j->is_same ? FETCH_NOT_MODIFIED : FETCH_DONE;
                sync_some(j);
                r = wait_for(j, full > 0, e);
                if (r < 0)
                        return r;
        }
}

int fetch_job_run(CURLM *multi, const FetchRequest *request, FetchState *state, int file_fd,
                  int feed_fd, int sock, Error *e) {
        _cleanup_free_ FetchJob *j = calloc(1, sizeof *j);
        int r = 0;

        if (!j)
                return error_oom(e);
        j->multi = multi;
        j->feed_fd = feed_fd;
        j->sock = sock;
        j->n_lanes = request->connections;
        j->shared = (LaneShared){
                .request = request, .state = state, .file_fd = file_fd, .url = strdup(request->url)
        };
        for (unsigned i = 0; i < FETCH_CONNECTIONS_MAX && r >= 0; i++)
                r = lane_open(j->lanes + i, &j->shared);
        /* Of what a digest is known, and all is there, nothing need be asked. */
        if (request->is_pinned && fetch_state_is_complete(state))
                j->is_through = j->shared.is_confirmed = true;
        r = r < 0 || !j->shared.url ? error_oom(e) : run(j, e);
        stop_lanes(j);
        for (unsigned i = 0; i < FETCH_CONNECTIONS_MAX; i++)
                lane_done(j->lanes + i);
        free(j->shared.url);
        return r;
}
