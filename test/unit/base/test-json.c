/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading JSON text: what is such, what a member says. */
#include "check.h"

#include "base/json.h"

static void test_check(void **state) {
        static const struct {
                const char *in;
                bool ok;
        } rows[] = {
                { "{}", true },
                { " [ ] ", true },
                { "1", true },
                { "-1.5e+3", true },
                { "\"a\"", true },
                { "null", true },
                { "{\"a\":[1,{\"b\":true}],\"c\":{}}", true },
                { "[[[[]]]]", true },
                { "\"\\u00e4\\n\\\"\"", true },
                { "{\"a\" : 1 , \"b\" : \"\" }\n", true },
                { "", false },
                { "{", false },
                { "{]", false },
                { "[1,]", false },
                { "[,1]", false },
                { "{\"a\"}", false },
                { "{\"a\":}", false },
                { "{a:1}", false },
                { "{\"a\":1,}", false },
                { "01", false },
                { "+1", false },
                { "1.", false },
                { "1e", false },
                { "nul", false },
                { "\"a", false },
                { "\"\\x\"", false },
                { "\"\\u12\"", false },
                { "\"\n\"", false },
                { "{} {}", false },
                { "[1 2]", false },
                { "tru", false },
                { "'a'", false },
                { "\"\\", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_EQ(json_check(rows[i].in) == 0, rows[i].ok, "row %zu '%s'", i, rows[i].in);
}

static void test_depth(void **state) {
        char text[2 * JSON_DEPTH_MAX + 3] = "";

        (void) state;
        memset(text, '[', JSON_DEPTH_MAX);
        memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
        assert_int_equal(json_check(text), 0);
        memset(text, '[', JSON_DEPTH_MAX + 1);
        memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
        assert_int_equal(json_check(text), -EINVAL);
}

static void test_members(void **state) {
        static const char text[] =
                " { \"a\": 5, \"b\": {\"a\": 6, \"l\": [ \"x\" , \"y z\", \"\" ]}, \"\\u0061b\": \"\\u00e4"
                "\\ud83d\\ude00\\t\", \"n\": \"\\u0000\", \"half\": \"\\ud83d\", \"neg\": -1, \"frac\": 1.0,"
                " \"big\": 18446744073709551616, \"mixed\": [\"x\", 1], \"none\": [], \"a\": 7 }";
        _cleanup_free_ char *s = NULL;
        _cleanup_strv_ char **v = NULL, **none = NULL;
        const char *value, *b;
        uint64_t n;

        (void) state;
        assert_int_equal(json_check(text), 0);
        assert_int_equal(json_member(text, "a", &value), 0);
        assert_int_equal(json_unsigned(value, &n), 0);
        assert_int_equal(n, 7);
        assert_int_equal(json_member(text, "b", &b), 0);
        assert_int_equal(json_member(b, "l", &value), 0);
        assert_int_equal(json_strings(value, &v), 0);
        assert_int_equal(strv_length(v), 3);
        assert_string_equal(v[1], "y z");
        assert_int_equal(json_member(text, "ab", &value), 0);
        assert_int_equal(json_string(value, &s), 0);
        assert_string_equal(s, "\xc3\xa4\xf0\x9f\x98\x80\t");
        assert_int_equal(json_member(text, "l", &value), -ENOENT);
        assert_int_equal(json_member("[]", "l", &value), -ENOENT);
        assert_int_equal(json_member(text, "none", &value), 0);
        assert_int_equal(json_strings(value, &none), 0);
        assert_null(none);

        static const char *const bad[] = { "n", "half", "neg", "frac", "big", "mixed" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text_of = NULL;
                _cleanup_strv_ char **list = NULL;

                assert_int_equal(json_member(text, bad[i], &value), 0);
                CHECK_EQ(json_string(value, &text_of) < 0, true, "%s", bad[i]);
                CHECK_EQ(json_strings(value, &list) < 0, true, "%s", bad[i]);
                CHECK_EQ(json_unsigned(value, &n) < 0, true, "%s", bad[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_check),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_members),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
