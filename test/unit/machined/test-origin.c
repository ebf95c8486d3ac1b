/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "machined/origin.h"

static void test_the_last_start_counts(void **state) {
        static const char text[] = "cgroup /a\nleader 7\nimage /old\nephemeral yes\nsettings /a\n"
                                   "leader 17\nimage /srv/b c\nports /x\nsettings /etc/b\n"
                                   "settings /run/b\n";
        _cleanup_(origin_done) Origin o = {}, none = {};

        CHECK_EQ(origin_parse(text, 17, &o), 0, "the last");
        CHECK_STR(o.image, "/srv/b c", "image");
        assert_false(o.is_ephemeral);
        CHECK_EQ(strv_length(o.settings), 2, "settings");
        CHECK_STR(o.settings[1], "/run/b", "settings");
        CHECK_EQ(origin_parse(text, 7, &none), -ENOENT, "one that is gone");
        CHECK_EQ(origin_parse(text, 1, &none), -ENOENT, "part of a number");
        CHECK_EQ(origin_parse("", 7, &none), -ENOENT, "nothing");
}

static void test_templates(void **state) {
        static const char *const units[][2] = {
                { "web@db.service", "web@.service" },
                { "skep@a.b.service", "skep@.service" },
                { "plain.service", "" },
                { "odd@", "" },
                { NULL, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                _cleanup_free_ char *template = origin_template(units[i][0]);
                CHECK_STR(template, units[i][1], "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_last_start_counts),
                cmocka_unit_test(test_templates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
