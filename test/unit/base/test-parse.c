/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <signal.h>

#include "base/id128.h"
#include "base/name.h"
#include "base/parse.h"
#include "base/siphash.h"

static void numbers(void **state) {
        static const struct {
                const char *s;
                int r;
                uint64_t v;
        } cases[] = {
                { "0", 0, 0 },
                { "42", 0, 42 },
                { "0x1f", 0, 31 },
                { "0b11", 0, 3 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "18446744073709551616", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "+1", -EINVAL, 0 },
                { " 1", -EINVAL, 0 },
                { "1 ", -EINVAL, 0 },
                { "0x", -EINVAL, 0 },
                { "9a", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t v = 0;
                CHECK_EQ(parse_u64(cases[i].s, 0, UINT64_MAX, &v), cases[i].r, "row %zu '%s'", i,
                         cases[i].s);
                CHECK_EQ(v, cases[i].v, "row %zu '%s'", i, cases[i].s);
        }

        int32_t n = 7;
        CHECK_EQ(parse_i32("-2147483648", &n), 0, "least");
        CHECK_EQ(n, INT32_MIN, "least");
        CHECK_EQ(parse_i32("2147483648", &n), -ERANGE, "too large");
        uid_t uid = 0;
        CHECK_EQ(parse_uid("65535", &uid), -ERANGE, "the 16-bit no-ID");
        CHECK_EQ(parse_uid("4294967295", &uid), -ERANGE, "the 32-bit no-ID");
        CHECK_EQ(parse_uid("010", &uid), -EINVAL, "octal");
        CHECK_EQ(parse_uid("1000", &uid), 0, "plain");
        mode_t mode = 0;
        CHECK_EQ(parse_octal("0755", &mode), 0, "mode");
        CHECK_EQ(mode, 0755, "mode");
        CHECK_EQ(parse_octal("10000", &mode), -ERANGE, "mode too large");
        CHECK_EQ(parse_octal("8", &mode), -EINVAL, "no octal digit");
}

static void sizes_and_times(void **state) {
        static const struct {
                int (*parse)(const char *, uint64_t *);
                const char *s;
                int r;
                uint64_t v;
        } cases[] = {
                { parse_size, "10", 0, 10 },
                { parse_size, "1K", 0, 1024 },
                { parse_size, "1.5M", 0, 1536 * 1024 },
                { parse_size, "2GB", 0, 2147483648 },
                { parse_size, "16E", -ERANGE, 0 },
                { parse_size, "1X", -EINVAL, 0 },
                { parse_size, "M", -EINVAL, 0 },
                { parse_size, "", -EINVAL, 0 },
                { parse_size, "1.2.3M", -EINVAL, 0 },
                { parse_duration, "5", 0, 5000000 },
                { parse_duration, "1.5s", 0, 1500000 },
                { parse_duration, "2min 3s", 0, 123000000 },
                { parse_duration, "100ms", 0, 100000 },
                { parse_duration, "infinity", 0, UINT64_MAX },
                { parse_duration, "5 fortnights", -EINVAL, 0 },
                { parse_duration, "", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t v = 0;
                CHECK_EQ(cases[i].parse(cases[i].s, &v), cases[i].r, "row %zu '%s'", i, cases[i].s);
                CHECK_EQ(v, cases[i].v, "row %zu '%s'", i, cases[i].s);
        }
}

static void signals(void **state) {
        const struct {
                const char *s;
                int r, v;
        } cases[] = {
                { "TERM", 0, SIGTERM },
                { "SIGKILL", 0, SIGKILL },
                { "9", 0, 9 },
                { "RTMIN+3", 0, SIGRTMIN + 3 },
                { "SIGRTMAX-1", 0, SIGRTMAX - 1 },
                { "SIGRTMIN", 0, SIGRTMIN },
                { "0", -ERANGE, 0 },
                { "FOO", -EINVAL, 0 },
                { "RTMIN-1", -EINVAL, 0 },
                { "RTMIN+99", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "SIG", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int v = 0;
                CHECK_EQ(parse_signal(cases[i].s, &v), cases[i].r, "row %zu '%s'", i, cases[i].s);
                CHECK_EQ(v, cases[i].v, "row %zu '%s'", i, cases[i].s);
        }
        for (int s = 1; s <= SIGRTMAX; s++) {
                int v = 0;
                if (!strncmp(signal_name(s), "SIG", 3)) {
                        CHECK_EQ(parse_signal(signal_name(s), &v), 0, "%s", signal_name(s));
                        CHECK_EQ(v, s, "%s", signal_name(s));
                }
        }
}

static void host_names(void **state) {
        static const struct {
                const char *s;
                bool ok;
                const char *cleaned;
        } cases[] = {
                { "debian", true, "debian" },
                { "a.b-c.d", true, "a.b-c.d" },
                { "qemu-1", true, "qemu-1" },
                { "", false, "" },
                { ".host", false, "host" },
                { "a_b", false, "ab" },
                { "a-", false, "a" },
                { "-a", false, "a" },
                { "a..b", false, "a.b" },
                { "a.-b", false, "a.b" },
                { "a-.b", false, "a.b" },
                { "a.", false, "a" },
                { "a b", false, "ab" },
                { "a/b", false, "ab" },
                { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true,
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
                { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false,
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *cleaned = hostname_clean(cases[i].s);
                CHECK_EQ(hostname_is_valid(cases[i].s), cases[i].ok, "row %zu '%s'", i, cases[i].s);
                CHECK_STR(cleaned, cases[i].cleaned, "row %zu '%s'", i, cases[i].s);
        }
        CHECK_EQ(filename_is_valid(".."), false, "dots");
        CHECK_EQ(filename_is_valid("a/b"), false, "slash");
        CHECK_EQ(filename_is_valid(".hidden"), true, "hidden");
        CHECK_EQ(username_is_valid("www-data"), true, "user");
        CHECK_EQ(username_is_valid("0"), false, "digits");
        CHECK_EQ(username_is_valid("a:b"), false, "colon");
}

static void identifiers(void **state) {
        static const char plain[] = "24d8d4452573402496068381a6312df2";
        char text[ID128_TEXT_MAX];
        Id128 a, b;

        assert_int_equal(id128_parse(plain, &a), 0);
        CHECK_STR(id128_format(&a, text), plain, "plain");
        CHECK_STR(id128_format_uuid(&a, text), "24d8d445-2573-4024-9606-8381a6312df2", "hyphens");
        assert_int_equal(id128_parse(text, &b), 0);
        CHECK_EQ(id128_equal(&a, &b), true, "both forms");
        CHECK_EQ(id128_parse("24d8d4452573402496068381a6312df", &b), -EINVAL, "short");
        CHECK_EQ(id128_parse("24d8d445-2573-4024-9606+8381a6312df2", &b), -EINVAL, "no hyphen");
        CHECK_EQ(id128_parse("24d8d4452573402496068381a6312dfg", &b), -EINVAL, "no hex");
        assert_int_equal(id128_random(&a), 0);
        CHECK_EQ(id128_is_null(&a), false, "random");
        CHECK_EQ(a.bytes[6] >> 4, 4, "version");
}

/* The vectors of the paper's appendix: key 00…0f, input 00…0e. */
static void siphash(void **state) {
        uint8_t key[16], in[15];

        for (size_t i = 0; i < sizeof key; i++)
                key[i] = (uint8_t) i;
        for (size_t i = 0; i < sizeof in; i++)
                in[i] = (uint8_t) i;
        CHECK_EQ(siphash24(in, sizeof in, key), 0xa129ca6149be45e5, "published vector");
        CHECK_EQ(siphash24(in, 0, key), 0x726fdb47dd0e0e31, "empty input");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers),     cmocka_unit_test(sizes_and_times),
                cmocka_unit_test(signals),     cmocka_unit_test(host_names),
                cmocka_unit_test(identifiers), cmocka_unit_test(siphash),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
