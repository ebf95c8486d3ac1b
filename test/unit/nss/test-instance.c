/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nss/instance.h"

#include <unistd.h>

#include "check.h"

static void test_parse(void **state) {
        static const struct {
                const char *text;
                int system, user;
                size_t links;
        } rows[] = {
                { "NAME=web\nCLASS=container\nNETIF=\"3 4\"\n", 1, 1, 2 },
                { "CLASS=vm\n", 1, 1, 0 },
                { "CLASS=container\nNETIF=", 1, 1, 0 },
                { "CLASS=container\nNETIF=\"0 x -1 99999999999 5\"\n", 1, 1, 1 },
                { "CLASS=container\nUID=0\n", 1, 1, 0 },
                { "CLASS=container\nUID=4294967294\n", 0, 1, 0 },
                { "CLASS=container\nUID=\n", 0, 0, 0 },
                { "CLASS=host\n", 0, 0, 0 },
                { "XCLASS=container\nNAME=CLASS=vm\n", 0, 0, 0 },
                { "", 0, 0, 0 },
                { "\n\n", 0, 0, 0 },
        };
        const Instance system = { .directory = "/run/systemd" };
        const Instance user = { .directory = "/run/user/1/systemd", .is_user = true };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                InstanceMachine m = {};

                CHECK_EQ(instance_parse(&system, rows[i].text, &m), rows[i].system, "row %zu", i);
                CHECK_EQ(instance_parse(&user, rows[i].text, &m), rows[i].user, "row %zu", i);
                CHECK_EQ(m.n_links, rows[i].links, "row %zu", i);
        }
}

static void test_where(void **state) {
        Instance i;

        assert_int_equal(setenv("XDG_RUNTIME_DIR", "/somewhere", 1), 0);
        assert_true(instance_get(0, &i));
        assert_true(i.is_user);
        assert_string_equal(i.directory, "/somewhere/systemd");
        assert_true(instance_get(1, &i));
        assert_false(i.is_user);
        assert_string_equal(i.directory, "/run/systemd");
        assert_false(instance_get(2, &i));

        assert_int_equal(setenv("XDG_RUNTIME_DIR", "relative", 1), 0);
        assert_true(instance_get(0, &i));
        assert_false(i.is_user);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_where),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
