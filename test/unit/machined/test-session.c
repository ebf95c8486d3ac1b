/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "machined/session.h"

static void test_ends(void **state) {
        SessionEnd ends[] = { { SESSION_EXITED, 7, {} },
                              { SESSION_KILLED, 9, {} },
                              { SESSION_FAILED, 0, { -EIO, "gone" } } };
        static const char *const lines[] = { "exited 7\n", "killed 9\n", "failed gone\n" };

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                _cleanup_(buf_done) Buf b = {};
                CHECK_EQ(session_end_format(ends + i, &b), 0, "row %zu", i);
                CHECK_STR(b.p, lines[i], "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
