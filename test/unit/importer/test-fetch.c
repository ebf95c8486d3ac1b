/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the fetcher knows of a download, and what it reads: headers, the state of parts, requests. */
#include "check.h"

#include <unistd.h>

#include "importer/fetch-request.h"
#include "importer/fetch-state.h"

static void lines(FetchHead *h, const char *text) {
        for (const char *end; *text; text = end) {
                end = strchr(text, '\n') + 1;
                assert_int_equal(fetch_head_line(h, text, (size_t) (end - text)), 0);
        }
}

static void test_head(void **state) {
        FetchHead h;

        fetch_head_init(&h);
        lines(&h, "HTTP/1.1 206 Partial\r\ncontent-range: bytes 8-15/0100\r\nETag:  \"a\" \r\n"
                  "Content-Length: 8\r\nRetry-After: 10\r\nContent-Encoding: identity\r\n\r\n");
        CHECK_EQ(h.status, 206, "status");
        assert_true(h.has_range && !h.is_encoded && fetch_etag_is_strong(h.etag));
        CHECK_EQ(h.from, 8, "from");
        CHECK_EQ(h.to, 16, "to");
        CHECK_EQ(h.total, 100, "total");
        CHECK_EQ(h.length, 8, "length");
        CHECK_EQ(h.retry_after, 10, "retry");

        /* Another response, and nothing of the one before. */
        lines(&h, "HTTP/2 200\r\nETag: W/\"a\"\r\nContent-Encoding: gzip\r\n"
                  "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: -1\r\n");
        CHECK_EQ(h.status, 200, "status");
        assert_true(!h.has_range && h.is_encoded && !fetch_etag_is_strong(h.etag));
        assert_true(h.length == FETCH_UNKNOWN && h.retry_after == FETCH_UNKNOWN);
}

static void test_dates(void **state) {
        static const struct {
                const char *text;
                int64_t time;
        } rows[] = {
                { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
                { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
                { "Sun Nov  6 08:49:37 1994", 784111777 },
                { "Sun, 06 Nov 1994 08:49:37 CET", -EINVAL },
                { "Sun, 06 Nov 1994 08:49:37 GMT x", -EINVAL },
                { "Sun, 06 Nov 1894 08:49:37 GMT", -EINVAL },
                { "tomorrow", -EINVAL },
                { "", -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_EQ(fetch_date_parse(rows[i].text), rows[i].time, "row %zu", i);
}

static void test_wait(void **state) {
#define NOON "Sun, 06 Nov 1994 12:00:00 GMT\r\n" /* 784123200 */
        static const struct {
                const char *lines;
                uint64_t wait;
        } rows[] = {
                { "", FETCH_UNKNOWN },
                { "Retry-After: 7\r\n", 7 },
                { "Retry-After: " NOON, 10 },
                { "Date: Sun, 06 Nov 1994 11:59:00 GMT\r\nRetry-After: " NOON, 60 },
                { "Retry-After: " NOON "Date: Sun, 06 Nov 1994 12:00:01 GMT\r\n", 0 },
                { "Date: today\r\nRetry-After: " NOON, 10 },
                { "Retry-After: 7\r\nRetry-After: " NOON, 10 },
                { "Retry-After: " NOON "Retry-After: 7\r\n", 7 },
                { "Retry-After: soon\r\n", FETCH_UNKNOWN },
                { "Retry-After: -7\r\n", FETCH_UNKNOWN },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                FetchHead h;

                fetch_head_init(&h);
                lines(&h, rows[i].lines);
                CHECK_EQ(fetch_head_wait(&h, 784123190), rows[i].wait, "row %zu", i);
        }
}

static void test_ranges(void **state) {
        static const char *const bad[] = {
                "bytes 8-7/100", "bytes 8-100/100", "bytes 8-/100",
                "bytes -8/100",  "items 0-7/100",   "bytes 0-7",
                "bytes 0-7/1e9", "bytes 0x0-7/9",   "bytes 0-99999999999999999999/*"
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char line[100];
                FetchHead h;

                fetch_head_init(&h);
                (void) snprintf(line, sizeof line, "Content-Range: %s\r\n", bad[i]);
                lines(&h, line);
                CHECK_EQ(h.has_range, false, "'%s'", bad[i]);
        }
}

static void test_state(void **unused) {
        const uint64_t c = FETCH_CHUNK_SIZE;
        _cleanup_(fetch_state_unmapp) FetchState *s = NULL;
        int fd;

        assert_int_equal(fetch_state_new(&s, &fd), 0);
        (void) close(fd);
        CHECK_EQ(fetch_state_gap(s, 0), 0, "empty");
        assert_false(fetch_state_is_complete(s));
        assert_int_equal(fetch_state_set_size(s, 3 * c + 10), 0);
        assert_int_equal(fetch_state_add(s, 0, 100), 0);
        assert_int_equal(fetch_state_add(s, c, c), 0);
        CHECK_EQ(fetch_state_gap(s, 0), 100, "first");
        CHECK_EQ(fetch_state_gap_end(s, 100), c, "up to what is there");
        CHECK_EQ(fetch_state_gap(s, c), 2 * c, "next");
        CHECK_EQ(fetch_state_gap_end(s, 2 * c), 3 * c + 10, "to the end");
        CHECK_EQ(fetch_state_have(s, 40), 60, "have");
        CHECK_EQ(fetch_state_add(s, 10, c), -EFBIG, "over the end of a chunk");
        assert_true(fetch_state_is_sane(s, 2 * c));
        assert_false(fetch_state_is_sane(s, 2 * c - 1));

        assert_int_equal(fetch_state_add(s, 100, c - 100), 0);
        assert_int_equal(fetch_state_add(s, 2 * c, c), 0);
        assert_int_equal(fetch_state_add(s, 3 * c, 10), 0);
        assert_true(fetch_state_is_complete(s));
        fetch_state_cut(s, c + 5);
        CHECK_EQ(fetch_state_gap(s, 0), c + 5, "cut");

        s->got[2] = UINT32_MAX;
        assert_false(fetch_state_is_sane(s, UINT64_MAX));
        fetch_state_reset(s);
        assert_int_equal(fetch_state_set_size(s, 0), 0);
        assert_true(fetch_state_is_complete(s));
        memset(s->etag, 'x', sizeof s->etag);
        assert_false(fetch_state_is_sane(s, 0));
}

/* Of a very large file the chunks are larger, and what was there of the first one stays. */
static void test_large(void **unused) {
        _cleanup_(fetch_state_unmapp) FetchState *s = NULL;
        int fd;

        assert_int_equal(fetch_state_new(&s, &fd), 0);
        (void) close(fd);
        assert_int_equal(fetch_state_add(s, 0, 5000), 0);
        assert_int_equal(fetch_state_set_size(s, UINT64_C(1) << 40), 0);
        assert_true(s->chunk_size * FETCH_CHUNKS_MAX >= UINT64_C(1) << 40);
        CHECK_EQ(fetch_state_gap(s, 0), 5000, "what was there");
        assert_true(fetch_state_is_sane(s, 5000));
        CHECK_EQ(fetch_state_set_size(s, UINT64_MAX - 1), -EFBIG, "too large");
}

static void test_request(void **unused) {
        _cleanup_(buf_done) Buf text = {};
        _cleanup_(fetch_request_done) FetchRequest q = { .url = strdup("http://h/a\nb"),
                                                         .password = strdup("p\\w\td"),
                                                         .limit = 7,
                                                         .connections = 3,
                                                         .is_pinned = true },
                                                   back = {};
        Error e = {};

        assert_int_equal(fetch_request_format(&q, &text), 0);
        assert_int_equal(fetch_request_parse(text.p, text.n, &back, &e), 0);
        CHECK_STR(back.url, q.url, "url");
        CHECK_STR(back.password, q.password, "password");
        assert_null(back.user);
        assert_true(back.limit == 7 && back.connections == 3 && back.is_pinned &&
                    !back.stays_secure);

        FetchRequest bad = {};
        CHECK_EQ(fetch_request_parse("url x\n", 6, &bad, &e), -EINVAL, "no connections");
        CHECK_EQ(fetch_request_parse("word x\n", 7, &bad, &e), -EINVAL, "unknown");
        CHECK_EQ(fetch_request_parse("url x\nurl y\n", 12, &bad, &e), -EINVAL, "twice");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_head),    cmocka_unit_test(test_dates),
                cmocka_unit_test(test_wait),    cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_state),   cmocka_unit_test(test_large),
                cmocka_unit_test(test_request),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
