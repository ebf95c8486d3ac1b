/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/join-call.h"

/* A string literal of words, each of which ends with NUL. */
#define WORDS(s) s, sizeof(s)

static void test_there_and_back(void **state) {
        char *command[] = { (char *) "sh", (char *) "-c", (char *) "a=b\nc", (char *) "", NULL };
        char *environment[] = { (char *) "A=", (char *) "B=x y", NULL };
        const JoinCall calls[] = {
                { .machine = (char *) "web", .leader = 42, .user = (char *) "root" },
                { .machine = (char *) "web",
                  .leader = 4242,
                  .user = (char *) "1000",
                  .cwd = (char *) "/srv/a b",
                  .command = command,
                  .program = (char *) "/bin/busybox",
                  .environment = environment,
                  .terminal = true,
                  .rows = 24,
                  .columns = 65535,
                  .at_home = true },
        };

        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                _cleanup_(join_call_done) JoinCall back = {};
                _cleanup_(buf_done) Buf text = {}, again = {};
                Error e = {};

                CHECK_EQ(join_call_format(calls + i, &text), 0, "row %zu", i);
                CHECK_EQ(join_call_parse(text.p, text.n, &back, &e), 0, "row %zu: %s", i, e.text);
                CHECK_EQ(join_call_format(&back, &again), 0, "row %zu", i);
                CHECK_EQ(text.n, again.n, "row %zu", i);
                assert_memory_equal(text.p, again.p, text.n);
                CHECK_EQ(strv_length(back.command), strv_length(calls[i].command), "row %zu", i);
                CHECK_EQ(back.columns, calls[i].columns, "row %zu", i);
                CHECK_EQ(back.at_home, calls[i].at_home, "row %zu", i);
        }
}

static void test_nonsense(void **state) {
        static const struct {
                const char *text;
                size_t n;
        } rows[] = {
                { WORDS("") },
                { "", 0 },
                { "M=web", 5 },
                { WORDS("M=web\0L=2\0U=root\0X=1") },
                { WORDS("M=web\0L=1\0U=root") },
                { WORDS("M=web\0L=-2\0U=root") },
                { WORDS("M=web\0U=root") },
                { WORDS("M=web\0L=2") },
                { WORDS("M=web\0L=2\0U=root\0D=srv") },
                { WORDS("M=web\0L=2\0U=root\0D=/a/../b") },
                { WORDS("M=web\0L=2\0U=root\0E=1A=2") },
                { WORDS("M=web\0L=2\0U=root\0E=novalue") },
                { WORDS("M=web\0L=2\0U=root\0P=/bin/sh") },
                { WORDS("M=web\0L=2\0U=root\0T=24") },
                { WORDS("M=web\0L=2\0U=root\0T=24,65536") },
                { WORDS("M=web\0L=2\0U=root\0\0") },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                JoinCall c = {};
                Error e = {};
                CHECK_EQ(join_call_parse(rows[i].text, rows[i].n, &c, &e), -EBADMSG, "row %zu", i);
                CHECK_EQ(error_is_set(&e), true, "row %zu", i);
                assert_null(c.machine);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_nonsense),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
