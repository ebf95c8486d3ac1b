/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "varlink/message.h"
#include "varlink/object.h"

static void test_calls(void **state) {
        static const struct {
                const char *text;
                int r;
                const char *interface, *method, *parameters;
                bool more, oneway, upgrade;
        } rows[] = {
                { "{\"method\":\"a.b.C\"}", 0, "a.b", "C", "{}", false, false, false },
                { " {\"method\":\"a.C\",\"parameters\":{\"x\":[1]} ,\"more\":true}", 0, "a", "C",
                  "{\"x\":[1]} ", true, false, false },
                { "{\"method\":\"a.C\",\"oneway\":true,\"upgrade\":true,\"more\":null}", 0, "a",
                  "C", "{}", false, true, true },
                { "{\"method\":\"a.C\",\"parameters\":null}", 0, "a", "C", "{}", false, false,
                  false },
                { "{\"method\":\"C\"}", -EINVAL, NULL, NULL, NULL, false, false, false },
                { "{\"method\":\".C\"}", -EINVAL, NULL, NULL, NULL, false, false, false },
                { "{\"method\":\"a.\"}", -EINVAL, NULL, NULL, NULL, false, false, false },
                { "{\"method\":7}", -EINVAL, NULL, NULL, NULL, false, false, false },
                { "{\"method\":\"a.C\",\"parameters\":[]}", -EINVAL, NULL, NULL, NULL, false, false,
                  false },
                { "{\"method\":\"a.C\",\"more\":1}", -EINVAL, NULL, NULL, NULL, false, false,
                  false },
                { "[]", -EINVAL, NULL, NULL, NULL, false, false, false },
                { "", -EINVAL, NULL, NULL, NULL, false, false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(varlink_message_done) VarlinkMessage m = {};
                Error e = {};

                CHECK_EQ(varlink_message_parse(rows[i].text, &m, &e), rows[i].r, "row %zu", i);
                CHECK_EQ(error_is_set(&e), rows[i].r < 0, "row %zu", i);
                CHECK_STR(m.interface, rows[i].interface, "row %zu", i);
                CHECK_STR(m.method, rows[i].method, "row %zu", i);
                CHECK_STR(m.parameters, rows[i].parameters, "row %zu", i);
                CHECK_EQ(m.more, rows[i].more, "row %zu", i);
                CHECK_EQ(m.oneway, rows[i].oneway, "row %zu", i);
                CHECK_EQ(m.upgrade, rows[i].upgrade, "row %zu", i);
        }
}

typedef struct In {
        char *name;
        JsonUnsigned pid;
} In;

static const JsonRow in_rows[] = {
        { .name = "name", .kind = &json_string_kind, .at = offsetof(In, name), .required = true },
        { .name = "pid", .kind = &json_unsigned_kind, .at = offsetof(In, pid), .max = 10 },
};
static const JsonShape in_shape = { in_rows, ELEMENTSOF(in_rows), sizeof(In), NULL };

static void test_parameters(void **state) {
        static const struct {
                const char *text;
                int r;
                const char *wrong;
        } rows[] = {
                { "{\"name\":\"x\"}", 0, NULL },
                { " { \"name\" : \"x\" , \"pid\" : 7 } ", 0, NULL },
                { "{\"name\":\"x\",\"pid\":11}", -EINVAL, "pid" },
                { "{\"name\":\"x\",\"other\":{\"name\":1}}", -EINVAL, "other" },
                { "{\"pid\":7}", -EINVAL, "name" },
                { "{\"name\":[]}", -EINVAL, "name" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *wrong = NULL;
                Error e = {};
                In in = {};

                CHECK_EQ(varlink_parameters_parse(&in_shape, rows[i].text, &in, &wrong, &e),
                         rows[i].r, "row %zu: %s", i, e.text);
                CHECK_STR(wrong, rows[i].wrong, "row %zu: %s", i, e.text);
                json_shape_done(&in_shape, &in);
        }
}

static void test_objects(void **state) {
        char a[] = "x\"y", *list[] = { a, NULL };
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *text;

        varlink_put_string(&o, "absent", NULL);
        varlink_put_strings(&o, "list", list);
        varlink_put_strings(&o, "none", NULL);
        varlink_open(&o, "in", '{');
        varlink_put_bool(&o, "yes", true);
        varlink_close(&o, '}');
        varlink_put_unsigned(&o, "n", UINT64_MAX);
        assert_int_equal(varlink_object_end(&o, &text), 0);
        CHECK_STR(
                text,
                "{\"list\":[\"x\\\"y\"],\"none\":[],\"in\":{\"yes\":true},\"n\":18446744073709551615}",
                "text");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_parameters),
                cmocka_unit_test(test_objects),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
