/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written down of the unit of one machine. */
#include "ctl/machine-unit.h"

#include "check.h"

static const char *const words[] = {
        "--bind=/a", "--bind=/with space", "quote\"", "back\\slash", "100%",
        "$HOME",     "'single'",           "\\\"",    "ümlaut",
};

/* The line as systemd reads it: quoted, then "%%", then split into words again. */
static void test_arguments_come_back(void **state) {
        _cleanup_strv_ char **arguments = NULL, **assignments = NULL, **back = NULL;
        _cleanup_(buf_done) Buf text = {}, expanded = {};

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                assert_int_equal(strv_append(&arguments, words[i]), 0);
        const MachineUnit u = { .arguments = arguments };
        assert_int_equal(machine_unit_check(&u, NULL), 0);
        assert_int_equal(machine_unit_format("web", &u, &text), 0);

        const char *line = strstr(text.p, "\nEnvironment=");
        assert_non_null(line);
        assert_int_equal(str_split_quoted(line + strlen("\nEnvironment="), &assignments, NULL), 0);
        assert_int_equal(strv_length(assignments), 1);
        for (const char *p = assignments[0]; *p; p++) {
                assert_int_equal(buf_append(&expanded, p, 1), 0);
                if (*p == '%')
                        assert_int_equal(*++p, '%');
        }
        const char *value = str_skip_prefix(expanded.p, "SKEP_ARGUMENTS=");
        assert_non_null(value);
        assert_int_equal(str_split_quoted(value, &back, NULL), 0);
        assert_int_equal(strv_length(back), ELEMENTSOF(words));
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                assert_string_equal(back[i], words[i]);
}

static void test_check(void **state) {
        static const struct {
                const char *template, *slice, *argument;
                bool ok;
        } rows[] = {
                { "web@.service", NULL, NULL, true },
                { "web@x.service", NULL, NULL, false },
                { "web.service", NULL, NULL, false },
                { "@.service", NULL, NULL, false },
                { "../web@.service", NULL, NULL, false },
                { "a@b@.service", NULL, NULL, false },
                { NULL, "tenant.slice", NULL, true },
                { NULL, "tenant-web.slice", NULL, true },
                { NULL, "-.slice", NULL, true },
                { NULL, "-web.slice", NULL, false },
                { NULL, "web-.slice", NULL, false },
                { NULL, "a--b.slice", NULL, false },
                { NULL, ".slice", NULL, false },
                { NULL, "tenant", NULL, false },
                { NULL, "a\nb.slice", NULL, false },
                { NULL, NULL, "--boot", true },
                { NULL, NULL, "", false },
                { NULL, NULL, "a\nb", false },
                { NULL, NULL, "\xff", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char *arguments[] = { (char *) rows[i].argument, NULL };
                const MachineUnit u = { rows[i].template, rows[i].slice,
                                        rows[i].argument ? arguments : NULL };

                assert_true(machine_unit_is_set(&u));
                CHECK_EQ(machine_unit_check(&u, NULL) >= 0, rows[i].ok, "row %zu", i);
        }
}

static void test_instance(void **state) {
        _cleanup_free_ char *plain = machine_unit_instance(MACHINE_TEMPLATE, "web");
        _cleanup_free_ char *other = machine_unit_instance("tenant@.service", "a.b");

        assert_string_equal(plain, "skep@web.service");
        assert_string_equal(other, "tenant@a.b.service");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_arguments_come_back),
                cmocka_unit_test(test_check),
                cmocka_unit_test(test_instance),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
