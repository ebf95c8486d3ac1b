/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "app/progress.h"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include "app/table.h"
#include "base/fd.h"
#include "check.h"

#define SEC UINT64_C(1000000)
#define MB  UINT64_C(1048576)

static const ProgressState half = {
        .title = "web",
        .ratio = 0.5,
        .done = 100 * MB,
        .total = 200 * MB,
        .rate = 20 * MB,
        .left_usec = 5 * SEC,
        .spent_usec = 5 * SEC,
};

static void test_bar(void **state) {
        ProgressState unknown = half, early = half, end = half, odd = half;
        const struct {
                const ProgressState *s;
                unsigned width;
                const char *out;
        } rows[] = {
                { &half, 100,
                  "web [====================>                   ]   50%  100M/200M  20M/s  5s left" },
                { &half, 60, "web [==========>          ]   50%  100M/200M  20M/s  5s left" },
                { &half, 40, "web   50%  100M/200M  20M/s  5s left" },
                { &half, 20, "web   50%  100M/200M" },
                { &half, 6, "web" },
                { &half, 3, "." },
                { &unknown, 60, "web [          <=>                           ]  100M  20M/s" },
                { &early, 60, "web [===============>              ]   50%  100M/200M  20M/s" },
                { &end, 40, "web [============================]  100%" },
                { &odd, 40, "\\x1b[2J [============>           ]   50%" },
        };

        unknown.ratio = -1;
        unknown.total = 0;
        unknown.left_usec = UINT64_MAX;
        unknown.spent_usec = SEC;
        early.spent_usec = SEC;
        end = (ProgressState){
                .title = "web", .ratio = 1, .done = UINT64_MAX, .left_usec = UINT64_MAX
        };
        odd = (ProgressState){
                .title = "\033[2J", .ratio = .5, .done = UINT64_MAX, .left_usec = UINT64_MAX
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf b = {};

                assert_int_equal(progress_bar(rows[i].s, rows[i].width, true, &b), 0);
                CHECK_STR(b.p, rows[i].out, "row %zu", i);
        }
}

static void test_bar_fits(void **state) {
        ProgressState s = half;

        for (unsigned width = 1; width < 120; width++)
                for (int i = -1; i <= 20; i++) {
                        _cleanup_(buf_done) Buf b = {};

                        s.ratio = i / 20.0;
                        s.spent_usec = (uint64_t) (i + 1) * SEC / 7;
                        assert_int_equal(progress_bar(&s, width, true, &b), 0);
                        if (text_width(b.p) > width)
                                fail_msg("%zu columns instead of %u: %s", text_width(b.p), width,
                                         b.p);
                }
}

static void test_line(void **state) {
        ProgressState unknown = half;
        _cleanup_(buf_done) Buf a = {}, b = {};

        assert_int_equal(progress_line(&half, &a), 0);
        assert_string_equal(a.p, "web: 50%, 100M of 200M, 20M/s");
        unknown.ratio = -1;
        unknown.total = 0;
        assert_int_equal(progress_line(&unknown, &b), 0);
        assert_string_equal(b.p, "web: 100M, 20M/s");
}

/* Work of 100 MB at 10 MB/s, told every 50 ms, to a file: one line per tenth. */
static void test_lines_now_and_then(void **state) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        _cleanup_(progress_freep) Progress *p = NULL;
        char name[] = "/tmp/test-progress-XXXXXX";
        _cleanup_fd_ int fd = mkstemp(name);

        assert_true(fd >= 0);
        assert_int_equal(unlink(name), 0);
        assert_int_equal(progress_new(fd, "web", 100 * MB, &p), 0);
        for (unsigned i = 0; i <= 200; i++)
                progress_update(p, i / 200.0, UINT64_MAX, 1000 * SEC + i * SEC / 20);

        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(fd_read_all(fd, 1 << 20, &text, NULL), 0);
        assert_int_equal(str_split(text, "\n", &lines), 0);
        assert_int_equal(strv_length(lines), 11);
        assert_string_equal(lines[0], "web: 0%, 0B of 100M");
        assert_string_equal(lines[5], "web: 50%, 50M of 100M, 10M/s");
        assert_string_equal(lines[10], "web: 100%, 100M of 100M, 10M/s");
}

/* On a terminal: no newline, at most ten drawings a second, and a clean line in the end. */
static void test_terminal(void **state) {
        _cleanup_(progress_freep) Progress *p = NULL;
        _cleanup_fd_ int outer = -EBADF, inner = -EBADF;
        char text[65536];
        unsigned drawings = 0;

        assert_int_equal(openpty(&outer, &inner, NULL, NULL, &(struct winsize){ 24, 70, 0, 0 }), 0);
        assert_int_equal(setenv("TERM", "xterm", true), 0);
        assert_int_equal(progress_new(inner, "web", 100 * MB, &p), 0);
        for (unsigned i = 0; i <= 100; i++)
                progress_update(p, i / 100.0, UINT64_MAX, 1000 * SEC + i * SEC / 100);
        p = progress_free(p);
        assert_int_equal(fd_set_nonblock(outer, true), 0);
        /* The kernel may hand out what was drawn in several pieces. */
        size_t total = 0;
        for (ssize_t n; (n = read(outer, text + total, sizeof(text) - 1 - total)) > 0;)
                total += (size_t) n;
        assert_true(total > 0);
        text[total] = 0;
        assert_null(strchr(text, '\n'));
        for (char *c = text; *c; c++)
                drawings += *c == '\r';
        CHECK_EQ(drawings, 12, "drawings");
        assert_true(str_has_suffix(text, "\r\033[K"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bar),      cmocka_unit_test(test_bar_fits),
                cmocka_unit_test(test_line),     cmocka_unit_test(test_lines_now_and_then),
                cmocka_unit_test(test_terminal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
