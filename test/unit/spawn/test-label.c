/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels: which values are taken, what skep-init is told, what mounts get. */
#include "check.h"
#include "spawn/label.h"
#include "spawn/mount-plan.h"

static void test_values(void **state) {
        static const struct {
                SettingParse parse;
                const char *value;
                int result;
        } rows[] = {
                { label_setting_context, "system_u:object_r:container_t:s0:c1,c2", 0 },
                { label_setting_context, "", -EINVAL },
                { label_setting_context, "word", -EINVAL },
                { label_setting_context, "a:b\",size=1", -EINVAL },
                { label_setting_context, "a:b\n", -EINVAL },
                { label_setting_profile, "docker-default", 0 },
                { label_setting_profile, "/usr/bin/x//hat", 0 },
                { label_setting_profile, "", -EINVAL },
                { label_setting_profile, "a\nb", -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *got = NULL;

                CHECK_EQ(rows[i].parse(NULL, rows[i].value, &got, NULL), rows[i].result, "row %zu",
                         i);
        }
}

static void test_lines(void **state) {
        _cleanup_(spec_done) Spec s;
        _cleanup_free_ char *text = NULL;
        const char *file;

        spec_init(&s);
        assert_int_equal(label_make(&s, &file, &text), 0);
        assert_null(file);
        assert_false(label_wants(&s));

        assert_int_equal(str_replace(&s.apparmor_profile, "p"), 0);
        assert_true(label_wants(&s));
        assert_int_equal(label_make(&s, &file, &text), 0);
        CHECK_STR(text, "exec p", "AppArmor");
        CHECK_STR(file, "/proc/thread-self/attr/apparmor/exec", "AppArmor");
}

static void test_mounts(void **state) {
        _cleanup_(spec_done) Spec s;
        _cleanup_(mount_plan_done) MountPlan p = {};
        size_t found = 0;

        spec_init(&s);
        assert_int_equal(str_replace(&s.selinux_apifs_context, "a:b:c:s0:c1,c2"), 0);
        assert_int_equal(mount_plan(&s, &(IdRanges){}, &p, NULL), 0);
        for (size_t i = 0; i < p.n; i++) {
                bool wants = p.items[i].type == MOUNT_TMPFS || p.items[i].type == MOUNT_DEVPTS;
                bool has = p.items[i].options &&
                           str_has_suffix(p.items[i].options, ",context=\"a:b:c:s0:c1,c2\"");

                CHECK_EQ(has, wants, "%s", p.items[i].target);
                found += has;
        }
        assert_true(found >= 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_mounts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
