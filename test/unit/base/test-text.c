/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/text.h"

static void buffer_grows(void **state) {
        _cleanup_(buf_done) Buf b = {};

        for (int i = 0; i < 1000; i++)
                assert_int_equal(buf_printf(&b, "%d,", i), 0);
        CHECK_EQ(b.n, 3890, "length");
        CHECK_EQ(strncmp(b.p, "0,1,2,", 6), 0, "content");
        _cleanup_free_ char *s = buf_take(&b);
        CHECK_EQ(strlen(s), 3890, "taken");
        CHECK_EQ(b.n == 0 && !b.p, 1, "empty after");

        _cleanup_free_ char *nothing = buf_take(&b);
        CHECK_STR(nothing, "", "an empty buffer is an empty string");
}

static void utf8(void **state) {
        static const struct {
                const char *s;
                bool ok;
        } cases[] = {
                { "", true },
                { "plain", true },
                { "\xc3\xa4", true },
                { "\xe2\x82\xac", true },
                { "\xf0\x9f\x90\x9d", true },
                { "\xc3", false },
                { "\xc0\xaf", false },
                { "\xed\xa0\x80", false },
                { "\xf4\x90\x80\x80", false },
                { "\xff", false },
                { "\x80", false },
                { "\xe0\x80\x80", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                CHECK_EQ(str_is_utf8(cases[i].s, strlen(cases[i].s)), cases[i].ok, "row %zu", i);
        CHECK_EQ(str_is_utf8("a\0b", 3), false, "NUL inside");
}

static void escapes_and_back(void **state) {
        static const char *const cases[] = { "",         "plain", "a\nb\tc", "back\\slash",
                                             "quote\"'", "a b",   "\001\177" };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *escaped = str_escape(cases[i], " \"'"), *back = NULL;
                CHECK_EQ(strpbrk(escaped, " \n\t\"'") == NULL, 1, "row %zu: %s", i, escaped);
                CHECK_EQ(str_unescape(escaped, &back), 0, "row %zu", i);
                CHECK_STR(back, cases[i], "row %zu", i);
        }

        static const char *const bad[] = { "\\", "\\q", "\\x1", "\\x00", "\\000", "\\08" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *none = NULL;
                CHECK_EQ(str_unescape(bad[i], &none), -EINVAL, "bad row %zu '%s'", i, bad[i]);
        }

        _cleanup_free_ char *bytes = NULL;
        size_t n = 0;
        CHECK_EQ(str_unescape_bytes("a\\x00b\\000", &bytes, &n), 0, "NUL");
        CHECK_EQ(n, 4, "NUL");
        CHECK_EQ(memcmp(bytes, "a\0b\0", 5), 0, "NUL");
        CHECK_EQ(str_unescape_bytes("\\q", &bytes, &n), -EINVAL, "not an escape");
}

static void splits(void **state) {
        static const struct {
                const char *in, *joined;
                int r;
        } cases[] = {
                { "", "", 0 },
                { "a b  c", "a|b|c", 0 },
                { "\"a b\" c", "a b|c", 0 },
                { "'it''s' x", "its|x", 0 },
                { "a\\x20b \\n", "a b|\n", 0 },
                { "\"\" x", "|x", 0 },
                { "A=\"b c\"", "A=b c", 0 },
                { "\"open", NULL, -EINVAL },
                { "bad\\q", NULL, -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_strv_ char **v = NULL;
                Error e = {};
                CHECK_EQ(str_split_quoted(cases[i].in, &v, &e), cases[i].r, "row %zu '%s'", i,
                         cases[i].in);
                CHECK_EQ(error_is_set(&e), cases[i].r < 0, "row %zu says why", i);
                if (cases[i].r < 0)
                        continue;
                _cleanup_free_ char *joined = strv_join(v, "|");
                CHECK_STR(joined, cases[i].joined, "row %zu", i);
        }
}

static void splits_at_colons(void **state) {
        static const struct {
                const char *in, *joined;
        } cases[] = { { "/a:/b:ro", "/a|/b|ro" },
                      { "/a\\:b:/c", "/a:b|/c" },
                      { "", "" },
                      { "a::b", "a||b" },
                      { ":", "|" } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_strv_ char **v = NULL;
                CHECK_EQ(str_split_colon(cases[i].in, &v), 0, "row %zu", i);
                _cleanup_free_ char *joined = strv_join(v, "|");
                CHECK_STR(joined, cases[i].joined, "row %zu", i);
        }
        char **none = NULL;
        CHECK_EQ(str_split_colon("a\\", &none), -EINVAL, "trailing backslash");
}

static void environment(void **state) {
        _cleanup_strv_ char **env = NULL;

        assert_int_equal(strv_env_set(&env, "A=1"), 0);
        assert_int_equal(strv_env_set(&env, "AB=2"), 0);
        assert_int_equal(strv_env_set(&env, "A=3"), 0);
        CHECK_EQ(strv_length(env), 2, "replaced, not added");
        CHECK_STR(strv_env_get(env, "A"), "3", "newest");
        CHECK_STR(strv_env_get(env, "AB"), "2", "whole names only");
        CHECK_STR(strv_env_get(env, "B"), NULL, "absent");

        CHECK_EQ(env_assignment_is_valid("A_1=x y"), true, "plain");
        CHECK_EQ(env_assignment_is_valid("A"), false, "no value");
        CHECK_EQ(env_assignment_is_valid("1A=x"), false, "leading digit");
        CHECK_EQ(env_assignment_is_valid("A-B=x"), false, "hyphen");
        CHECK_EQ(env_assignment_is_valid("A=\033[0m"), false, "escape sequence");
}

static void hexadecimal(void **state) {
        static const struct {
                const char *s;
                int r;
        } cases[] = {
                { "00fF", 0 },         { "00f", -EINVAL },  { "00fF0", -EINVAL },
                { "00fF00", -EINVAL }, { "00 F", -EINVAL }, { "", -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t bytes[2] = { 1, 2 };
                CHECK_EQ(hex_parse(cases[i].s, bytes, 2), cases[i].r, "row %zu", i);
                CHECK_EQ(bytes[0] << 8 | bytes[1], cases[i].r < 0 ? 0x102 : 0xff, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(buffer_grows),     cmocka_unit_test(utf8),
                cmocka_unit_test(escapes_and_back), cmocka_unit_test(splits),
                cmocka_unit_test(splits_at_colons), cmocka_unit_test(environment),
                cmocka_unit_test(hexadecimal),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
