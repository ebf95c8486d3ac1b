/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request, see fetch-lane.h. A server is believed nothing that can be checked: where the bytes it sends
 * belong, how many there are, and that they are of the same file as those before. */
#include "importer/fetch-lane.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/room.h"
#include "importer/url.h"

#define SKIP_MAX        ((uint64_t) 256 * 1024) /* of the text that comes with an error */
#define CONNECT_SECONDS 30L
#define SPEED_MIN       30L /* bytes in a second */

/* Ends the lane with @outcome. Return: false, for the callbacks. */
static bool give_up(Lane *l, LaneOutcome outcome, int err, const char *why) {
        l->outcome = outcome;
        (void) error_set(&l->error, err, "%s", why);
        return false;
}

/* Where the file is. */
static const char *place(const FetchRequest *q) {
        return q->place ? q->place : "memory";
}

static bool is_packed(const char *url) {
        static const char *const suffixes[] = { ".gz", ".tgz", ".xz", ".bz2", ".zst", ".lz4" };
        size_t n = strcspn(url, "?#");
        _cleanup_free_ char *path = strndup(url, n);

        for (size_t i = 0; path && i < ELEMENTSOF(suffixes); i++)
                if (str_has_suffix(path, suffixes[i]))
                        return true;
        return false;
}

/* Whether what the server has is what the state is about, as far as it says. */
static bool is_same(const FetchState *s, const FetchHead *h) {
        if (s->etag[0] && h->etag[0])
                return streq(s->etag, h->etag);
        return !s->modified[0] || !h->modified[0] || streq(s->modified, h->modified);
}

/* Whether what is still to come fits, and what is to be made of all of it. */
static bool check_room(Lane *l, uint64_t size) {
        const FetchRequest *q = l->shared->request;
        uint64_t have = fetch_state_gap(l->shared->state, 0);
        uint64_t unpacked = size / 100 * q->unpacked;
        Room room = { .free = ROOM_UNKNOWN };
        struct statvfs v;

        if (fstatvfs(l->shared->file_fd, &v) >= 0 && v.f_blocks > 0)
                room.free = (uint64_t) v.f_bavail * v.f_frsize;
        (void) snprintf(room.place, sizeof room.place, "%.190s", place(q));
        if (room_check(&room, size - MIN(have, size) + unpacked, &l->error) >= 0)
                return true;
        l->outcome = LANE_FAILED;
        return false;
}

static bool take_size(Lane *l, uint64_t size) {
        FetchState *s = l->shared->state;

        if (size > l->shared->request->limit)
                return give_up(l, LANE_FAILED, EFBIG, "it is larger than is allowed");
        if (s->size != FETCH_UNKNOWN && s->size != size)
                return give_up(l, LANE_CHANGED, ESTALE, "its size changed on the server meanwhile");
        if (s->size == size)
                return true;
        if (fetch_state_set_size(s, size) < 0)
                return give_up(l, LANE_FAILED, EFBIG, "it is too large");
        return check_room(l, size);
}

/* All of the file comes, from its first byte on. */
static bool judge_whole(Lane *l) {
        FetchState *s = l->shared->state;
        const FetchHead *h = &l->head;

        if (fetch_state_gap(s, 0) > 0 && !is_same(s, h))
                return give_up(l, LANE_CHANGED, ESTALE, "it changed on the server meanwhile");
        if (l->is_ranged && l->shared->n_active > 1)
                return give_up(l, LANE_NO_RANGES, EPROTO, "the server sends no part of it");
        l->from = l->at = 0;
        l->to = h->length;
        return h->length == FETCH_UNKNOWN || take_size(l, h->length);
}

static bool judge_part(Lane *l) {
        const FetchHead *h = &l->head;

        if (!l->is_ranged || !h->has_range || h->from != l->from || h->to > l->to ||
            h->total == FETCH_UNKNOWN ||
            (h->length != FETCH_UNKNOWN && h->length != h->to - h->from))
                return give_up(l, LANE_NO_RANGES, EPROTO,
                               "the server sends another part of it than was asked for");
        if (!is_same(l->shared->state, h))
                return give_up(l, LANE_CHANGED, ESTALE, "it changed on the server meanwhile");
        l->to = h->to;
        return take_size(l, h->total);
}

/* "Range Not Satisfiable": the file may be empty, or shorter than it was. */
static bool judge_outside(Lane *l) {
        if (l->is_ranged && l->head.total == 0 && l->from == 0) {
                l->from = l->at = l->to = 0;
                return take_size(l, 0);
        }
        return l->is_ranged
                       ? give_up(l, LANE_NO_RANGES, EPROTO, "the server sends no such part of it")
                       : give_up(l, LANE_FAILED, EPROTO, "the server answers 416");
}

static const char *status_text(unsigned status) {
        switch (status) {
        case 400:
                return " (bad request)";
        case 401:
                return " (a user and a password are needed)";
        case 403:
                return " (forbidden)";
        case 404:
                return " (not found)";
        case 407:
                return " (the proxy wants a password)";
        case 410:
                return " (gone)";
        case 429:
                return " (too many requests)";
        case 500:
                return " (internal error)";
        case 502:
                return " (bad gateway)";
        case 503:
                return " (service unavailable)";
        case 504:
                return " (gateway timeout)";
        default:
                return "";
        }
}

static bool judge_error(Lane *l) {
        unsigned s = l->head.status;

        bool passes = s == 408 || s == 425 || s == 429 || (s >= 500 && s != 501 && s != 505);
        l->outcome = passes ? LANE_RETRY : LANE_FAILED;
        (void) error_set(&l->error,
                         s == 404 || s == 410               ? ENOENT
                         : s == 401 || s == 403 || s == 407 ? EACCES
                                                            : EREMOTEIO,
                         "the server answers %u%s", s, status_text(s));
        /* Its text is read, so that the connection can be used again. */
        return true;
}

static void remember_validators(Lane *l) {
        FetchState *s = l->shared->state;

        if (!s->etag[0])
                memcpy(s->etag, l->head.etag, sizeof s->etag);
        if (!s->modified[0])
                memcpy(s->modified, l->head.modified, sizeof s->modified);
}

/* Once the headers are complete. Return: whether to go on reading. */
static bool judge(Lane *l) {
        unsigned status = l->head.status;

        l->is_judged = true;
        l->shared->has_answered = true;
        if (status == 304 && l->is_conditional) {
                l->outcome = LANE_NOT_MODIFIED;
                return true;
        }
        if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
                l->outcome = LANE_REDIRECT;
                return true;
        }
        if (status == 416)
                return judge_outside(l);
        if (status != 200 && status != 206)
                return judge_error(l);
        if (l->head.is_encoded && !is_packed(l->shared->request->url))
                return give_up(l, LANE_FAILED, EPROTO,
                               "the server sends it encoded, and was asked not to");
        if (!(status == 200 ? judge_whole(l) : judge_part(l)))
                return false;
        remember_validators(l);
        l->is_body = true;
        l->shared->is_confirmed = true;
        return true;
}

/* Whether @n bytes at the lane's place are those that are there. */
static bool compare(Lane *l, const char *data, size_t n) {
        char there[16384];

        while (n > 0) {
                size_t k = MIN(n, sizeof there);
                if (pread(l->shared->file_fd, there, k, (off_t) l->at) != (ssize_t) k ||
                    memcmp(there, data, k) != 0)
                        return give_up(l, LANE_CHANGED, ESTALE,
                                       "it changed on the server meanwhile");
                data += k;
                n -= k;
                l->at += k;
        }
        return true;
}

static bool write_out(Lane *l, const char *data, size_t n) {
        FetchState *s = l->shared->state;
        size_t done = 0;

        while (done < n) {
                ssize_t k = pwrite(l->shared->file_fd, data + done, n - done,
                                   (off_t) (l->at + done));
                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0) {
                        l->outcome = LANE_FAILED;
                        (void) error_set(&l->error, k < 0 ? errno : EIO,
                                         "cannot write what was downloaded to %s: %m",
                                         place(l->shared->request));
                        return false;
                }
                done += (size_t) k;
        }
        if (fetch_state_add(s, l->at, n) < 0)
                return give_up(l, LANE_FAILED, EFBIG, "it is too large");
        l->at += n;
        l->stored += n;
        return true;
}

static bool store(Lane *l, const char *data, size_t n) {
        FetchState *s = l->shared->state;

        atomic_fetch_add_explicit(&s->received, n, memory_order_relaxed);
        if (l->at + n > l->to)
                return give_up(l, l->is_ranged ? LANE_NO_RANGES : LANE_FAILED, EPROTO,
                               "the server sends more than it said");
        if (l->at + n > l->shared->request->limit)
                return give_up(l, LANE_FAILED, EFBIG, "it is larger than is allowed");
        while (n > 0) {
                uint64_t have = fetch_state_have(s, l->at);
                size_t k = (size_t) MIN((uint64_t) n,
                                        have > 0 ? have : s->chunk_size - l->at % s->chunk_size);

                if (!(have > 0 ? compare(l, data, k) : write_out(l, data, k)))
                        return false;
                data += k;
                n -= k;
        }
        return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata) {
        Lane *l = userdata;
        size_t n = size * count;

        l->heard_at = now_usec();
        if (!l->is_judged && !judge(l))
                return 0;
        if (l->is_body)
                return store(l, data, n) ? n : 0;
        l->skipped += n;
        return l->skipped <= SKIP_MAX ? n : 0;
}

static size_t on_header(char *line, size_t size, size_t count, void *userdata) {
        Lane *l = userdata;
        size_t n = size * count;

        l->heard_at = now_usec();
        if (fetch_head_line(&l->head, line, n) < 0) {
                l->is_judged = true;
                (void) give_up(l, LANE_FAILED, EPROTO, "the server sends too many headers");
                return 0;
        }
        return n;
}

int lane_open(Lane *l, LaneShared *shared) {
        *l = (Lane){ .shared = shared, .easy = curl_easy_init() };
        return l->easy ? 0 : -ENOMEM;
}

void lane_done(Lane *l) {
        curl_easy_cleanup(l->easy);
        curl_slist_free_all(l->headers);
        free(l->target);
        *l = (Lane){};
}

static int add_header(Lane *l, const char *format, const char *value) {
        _cleanup_free_ char *text = str_format(format, value);
        struct curl_slist *list = text ? curl_slist_append(l->headers, text) : NULL;

        if (!list)
                return -ENOMEM;
        l->headers = list;
        return 0;
}

/* A date is as good as a tag if nobody can have written to the file in the second after it. */
static bool is_settled(const FetchState *s) {
        time_t t = s->modified[0] ? curl_getdate(s->modified, NULL) : -1;

        return t >= 0 && t + 2 < time(NULL);
}

static int add_condition(Lane *l) {
        const FetchState *s = l->shared->state;
        const FetchRequest *q = l->shared->request;
        bool partial = fetch_state_gap(s, 0) > 0;
        const char *etag = partial ? s->etag : strempty(q->etag);
        const char *modified = partial ? s->modified : strempty(q->modified);
        int r = 0;

        if (l->is_conditional) {
                if (etag[0])
                        r = add_header(l, "If-None-Match: %s", etag);
                else if (modified[0])
                        r = add_header(l, "If-Modified-Since: %s", modified);
        } else if (l->is_ranged && l->from > 0) {
                if (fetch_etag_is_strong(s->etag))
                        r = add_header(l, "If-Range: %s", s->etag);
                else if (is_settled(s))
                        r = add_header(l, "If-Range: %s", s->modified);
        }
        return r;
}

static int set_headers(Lane *l) {
        int r;

        curl_slist_free_all(l->headers);
        l->headers = NULL;
        /* Bytes as they are: their digest is of interest, and their number. */
        r = add_header(l, "Accept-Encoding: %s", "identity");
        if (r >= 0)
                r = add_condition(l);
        return r;
}

#define SET(l, option, value)                                                                      \
        do {                                                                                       \
                if (curl_easy_setopt((l)->easy, option, value) != CURLE_OK)                        \
                        return -ENOMEM;                                                            \
        } while (0)

static int set_blob(Lane *l, CURLoption option, const char *text) {
        struct curl_blob blob = { .data = (void *) text,
                                  .len = text ? strlen(text) : 0,
                                  .flags = CURL_BLOB_NOCOPY };

        if (!text)
                return 0;
        SET(l, option, &blob);
        return 0;
}

static int set_secrets(Lane *l) {
        const FetchRequest *q = l->shared->request;
        int r;

        r = set_blob(l, CURLOPT_CAINFO_BLOB, q->tls_ca);
        if (r < 0 || l->shared->is_foreign)
                return r;
        if (q->user) {
                SET(l, CURLOPT_USERNAME, q->user);
                SET(l, CURLOPT_PASSWORD, strempty(q->password));
        }
        r = set_blob(l, CURLOPT_SSLCERT_BLOB, q->tls_certificate);
        if (r >= 0)
                r = set_blob(l, CURLOPT_SSLKEY_BLOB, q->tls_key ? q->tls_key : q->tls_certificate);
        return r;
}

static int set_options(Lane *l) {
        const FetchRequest *q = l->shared->request;

        curl_easy_reset(l->easy);
        SET(l, CURLOPT_URL, l->shared->url);
        SET(l, CURLOPT_PRIVATE, l);
        SET(l, CURLOPT_ERRORBUFFER, l->why);
        SET(l, CURLOPT_NOSIGNAL, 1L);
        SET(l, CURLOPT_PROTOCOLS_STR, "http,https");
        SET(l, CURLOPT_FOLLOWLOCATION, 0L);
        SET(l, CURLOPT_USERAGENT, "skep/" SKEP_VERSION);
        SET(l, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
        SET(l, CURLOPT_HTTPAUTH, (long) (CURLAUTH_BASIC | CURLAUTH_DIGEST));
        SET(l, CURLOPT_HTTP09_ALLOWED, 0L);
        SET(l, CURLOPT_CONNECTTIMEOUT, MIN((long) q->stall, CONNECT_SECONDS));
        SET(l, CURLOPT_LOW_SPEED_LIMIT, SPEED_MIN);
        SET(l, CURLOPT_LOW_SPEED_TIME, (long) q->stall);
        SET(l, CURLOPT_BUFFERSIZE, 256 * 1024L);
        SET(l, CURLOPT_WRITEFUNCTION, on_body);
        SET(l, CURLOPT_WRITEDATA, l);
        SET(l, CURLOPT_HEADERFUNCTION, on_header);
        SET(l, CURLOPT_HEADERDATA, l);
        return set_secrets(l);
}

static int set_range(Lane *l) {
        char text[64];

        if (!l->is_ranged)
                return 0;
        if (l->to == FETCH_UNKNOWN)
                (void) snprintf(text, sizeof text, "%llu-", (unsigned long long) l->from);
        else
                (void) snprintf(text, sizeof text, "%llu-%llu", (unsigned long long) l->from,
                                (unsigned long long) l->to - 1);
        SET(l, CURLOPT_RANGE, text);
        return 0;
}

int lane_start(Lane *l, CURLM *multi, uint64_t from, uint64_t to, bool is_ranged,
               bool is_conditional, Error *e) {
        int r;

        fetch_head_init(&l->head);
        l->is_judged = l->is_body = false;
        l->is_ranged = is_ranged;
        l->is_conditional = is_conditional;
        l->from = l->at = from;
        l->to = to;
        l->skipped = l->stored = l->heard_at = 0;
        l->outcome = LANE_OK;
        l->error = (Error){};
        l->why[0] = '\0';
        r = set_options(l);
        if (r >= 0)
                r = set_range(l);
        if (r >= 0)
                r = set_headers(l);
        if (r >= 0 && (curl_easy_setopt(l->easy, CURLOPT_HTTPHEADER, l->headers) != CURLE_OK ||
                       curl_multi_add_handle(multi, l->easy) != CURLM_OK))
                r = -ENOMEM;
        if (r < 0)
                return error_oom(e);
        l->is_active = true;
        l->shared->n_active++;
        return 0;
}

static bool passes(CURLcode code) {
        switch (code) {
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_URL_MALFORMAT:
        case CURLE_OUT_OF_MEMORY:
        case CURLE_WRITE_ERROR:
        case CURLE_SSL_ENGINE_NOTFOUND:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CIPHER:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_LOGIN_DENIED:
        case CURLE_WEIRD_SERVER_REPLY:
                return false;
        default:
                return true;
        }
}

static int code_errno(CURLcode code) {
        switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return EHOSTUNREACH;
        case CURLE_COULDNT_CONNECT:
                return ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return ETIMEDOUT;
        case CURLE_OUT_OF_MEMORY:
                return ENOMEM;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CERTPROBLEM:
                return EKEYREJECTED;
        default:
                return ECONNABORTED;
        }
}

/* libcurl makes a URL of what the server said once the response has ended. */
static bool take_target(Lane *l) {
        const char *target = NULL;

        (void) curl_easy_getinfo(l->easy, CURLINFO_REDIRECT_URL, &target);
        return str_replace(&l->target, target) >= 0 ||
               give_up(l, LANE_FAILED, ENOMEM, "out of memory");
}

LaneOutcome lane_finish(Lane *l, CURLM *multi, CURLcode code) {
        (void) curl_multi_remove_handle(multi, l->easy);
        l->is_active = false;
        l->shared->n_active--;

        /* A response without a body has not been looked at yet. */
        if (code == CURLE_OK && !l->is_judged)
                (void) judge(l);
        if (l->outcome == LANE_REDIRECT && !take_target(l))
                return l->outcome;
        if (l->outcome != LANE_OK)
                return l->outcome;
        if (code != CURLE_OK) {
                l->outcome = passes(code) ? LANE_RETRY : LANE_FAILED;
                /* Which is what libcurl calls a header of more than 100 kB. */
                if (code == CURLE_OUT_OF_MEMORY && !l->is_judged)
                        (void) give_up(l, LANE_FAILED, EPROTO,
                                       "the server sends too long a header");
                else
                        (void) error_set(&l->error, code_errno(code), "%s",
                                         l->why[0] ? l->why : curl_easy_strerror(code));
                str_make_utf8(l->error.text);
                return l->outcome;
        }
        if (l->to == FETCH_UNKNOWN) {
                if (take_size(l, l->at))
                        return LANE_OK;
                return l->outcome;
        }
        if (l->at != l->to)
                (void) give_up(l, LANE_RETRY, ECONNABORTED,
                               "the connection ended before all was there");
        return l->outcome;
}
