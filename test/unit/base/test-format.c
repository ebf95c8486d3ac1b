/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/format.h"

#include <limits.h>
#include <time.h>

#include "check.h"

#define SEC  UINT64_C(1000000)
#define MIN_ (60 * SEC)
#define HOUR (60 * MIN_)
#define DAY  (24 * HOUR)

static void test_bytes(void **state) {
        static const struct {
                uint64_t in;
                const char *out;
        } rows[] = {
                { 0, "0B" },
                { 1023, "1023B" },
                { 1024, "1K" },
                { 1536, "1.5K" },
                { 10485760, "10M" },
                { 10485760 + 1, "10M" },
                { 1181116006, "1G" }, /* 1.09…: cut, not rounded */
                { UINT64_C(5) << 40, "5T" },
                { UINT64_MAX - 1, "15.9E" },
                { UINT64_MAX, "infinity" },
        };
        char text[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_STR(format_bytes(rows[i].in, text), rows[i].out, "row %zu", i);
}

static void test_timestamp(void **state) {
        static const struct {
                const char *zone;
                uint64_t in;
                const char *out;
        } rows[] = {
                { "UTC", 1720000000 * SEC, "Wed 2024-07-03 09:46:40 UTC" },
                { "CET-1CEST,M3.5.0,M10.5.0/3", 1720000000 * SEC, "Wed 2024-07-03 11:46:40 CEST" },
                { "UTC", 0, "-" },
                { "UTC", UINT64_MAX, "-" },
                { "UTC", UINT64_MAX - 1, "-" },
        };
        char text[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(setenv("TZ", rows[i].zone, true), 0);
                tzset();
                CHECK_STR(format_timestamp(rows[i].in, text), rows[i].out, "row %zu", i);
        }
        assert_int_equal(unsetenv("TZ"), 0);
        tzset();
}

static void test_relative(void **state) {
        static const struct {
                uint64_t age;
                const char *out;
        } rows[] = {
                { 0, "now" },
                { 100, "100us ago" },
                { 999000, "999ms ago" },
                { SEC, "1s ago" },
                { 60 * SEC, "1min 0s ago" },
                { 299 * SEC, "4min 59s ago" },
                { 5 * MIN_, "5min ago" },
                { 59 * MIN_, "59min ago" },
                { 61 * MIN_, "1h 1min ago" },
                { 120 * MIN_, "2h 0min ago" },
                { 359 * MIN_, "5h 59min ago" },
                { 361 * MIN_, "6h ago" },
                { DAY, "24h ago" },
                { 25 * HOUR, "1 day 1h ago" },
                { 47 * HOUR, "1 day 23h ago" },
                { 2 * DAY, "2 days ago" },
                { 7 * DAY, "1 week 0 days ago" },
                { 8 * DAY, "1 week 1 day ago" },
                { 31 * DAY, "1 month 0 days ago" },
                { 70 * DAY, "2 months 9 days ago" },
                { 364 * DAY, "11 months 29 days ago" },
                { 366 * DAY, "1 year 0 months ago" },
                { 800 * DAY, "2 years 2 months ago" },
        };
        char text[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_STR(format_relative(3000 * DAY - rows[i].age, 3000 * DAY, text), rows[i].out,
                          "row %zu", i);
        assert_string_equal(format_relative(DAY + 3 * SEC, DAY, text), "3s left");
}

static void test_span(void **state) {
        static const struct {
                uint64_t in;
                const char *out;
        } rows[] = {
                { 0, "0s" },
                { 5, "0s" },
                { 850000, "850ms" },
                { 7 * SEC, "7s" },
                { 125 * SEC, "2min 5s" },
                { 3 * HOUR, "3h" },
                { 28 * HOUR, "1d 4h" },
                { UINT64_MAX, "infinity" },
        };
        char text[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_STR(format_span(rows[i].in, text), rows[i].out, "row %zu", i);
}

static void test_percent(void **state) {
        CHECK_EQ(format_percent(0, 10), 0, "row");
        CHECK_EQ(format_percent(1, 3), 33, "row");
        CHECK_EQ(format_percent(30, 10), 300, "row");
        CHECK_EQ(format_percent(UINT64_MAX - 1, 1), INT_MAX, "row");
        CHECK_EQ(format_percent(UINT64_MAX, 10), UINT_MAX, "row");
        CHECK_EQ(format_percent(1, UINT64_MAX), UINT_MAX, "row");
        CHECK_EQ(format_percent(1, 0), UINT_MAX, "row");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes),    cmocka_unit_test(test_timestamp),
                cmocka_unit_test(test_relative), cmocka_unit_test(test_span),
                cmocka_unit_test(test_percent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
