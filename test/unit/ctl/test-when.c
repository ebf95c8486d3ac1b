/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <stdlib.h>
#include <time.h>

#include "ctl/when.h"

/* 2026-11-22 20:15:30 UTC */
#define NOW (UINT64_C(1795378530) * 1000000)

static void test_points_in_time(void **state) {
        static const struct {
                const char *text;
                int64_t seconds; /* before now; -1 = refused */
        } cases[] = {
                { "now", 0 },
                { "-90s", 90 },
                { "-90", 90 },
                { "1h 30min ago", 5400 },
                { "2d ago", 172800 },
                { "@1795378500", 30 },
                { "2026-11-22 20:15:30", 0 },
                { "2026-11-22 20:15", 30 },
                { "20:15:00", 30 },
                { "2026-11-22", 72930 },
                { "today", 72930 },
                { "yesterday", 159330 },
                { "", -1 },
                { "-", -1 },
                { "ago", -1 },
                { " ago", -1 },
                { "-1x", -1 },
                { "1h", -1 },
                { "@", -1 },
                { "@-1", -1 },
                { "@99999999999999999999", -1 },
                { "25:00", -1 },
                { "20:15:30x", -1 },
                { "2026-13-01", -1 },
                { "2026-11-22T20:15", -1 },
                { "-999999999999w", -1 },
        };

        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        tzset();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t t = 0;
                int r = when_parse(cases[i].text, NOW, &t);

                CHECK_EQ(r < 0, cases[i].seconds < 0, "'%s'", cases[i].text);
                if (r >= 0)
                        CHECK_EQ((NOW - t) / 1000000, cases[i].seconds, "'%s'", cases[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_points_in_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
