/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/mount-info.h"

static void test_place_of_a_mount(void **state) {
        static const char text[] = "22 1 0:20 / / rw - tmpfs x rw\n"
                                   "122 22 0:20 / /wrong rw - tmpfs x rw\n"
                                   "5 22 0:21 /x /srv/a\\040b\\134 ro shared:1 - ext4 y rw\n"
                                   "9 22 0:21 /x /none rw\n"
                                   "7 22 0:21 /last";
        static const struct {
                uint64_t id;
                const char *place, *type;
        } cases[] = { { 22, "/", "tmpfs" }, { 5, "/srv/a b\\", "ext4" }, { 9, "/none", "" },
                      { 2, NULL, NULL },    { 7, NULL, NULL },           { 1, NULL, NULL } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *place = NULL, *type = NULL, *alone = NULL;
                int r = mount_info_find(text, cases[i].id, &place, &type);

                CHECK_EQ(r, cases[i].place ? 0 : -ENOENT, "row %zu", i);
                CHECK_STR(place, cases[i].place, "row %zu", i);
                CHECK_STR(type, cases[i].type, "row %zu", i);
                CHECK_EQ(mount_info_find(text, cases[i].id, &alone, NULL), r, "row %zu", i);
                CHECK_STR(alone, cases[i].place, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_place_of_a_mount) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
