/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/process-tree.h"

#include "app/table.h"
#include "check.h"

static ProcessTree *example(const char *root) {
        ProcessTree *t = NULL;

        assert_int_equal(process_tree_new(root, &t), 0);
        process_tree_add(t, "/machine.slice/skep@web.service/supervisor", 7, "skep-spawn -M web");
        process_tree_add(t, "/machine.slice/skep@web.service/payload/system.slice/b.service", 1203,
                         "b");
        process_tree_add(t, "/machine.slice/skep@web.service/payload/system.slice/a.service", 99,
                         "a two");
        process_tree_add(t, "/machine.slice/skep@web.service/payload/init.scope", 12, "/sbin/init");
        process_tree_add(t, "/machine.slice/skep@web.service/payload/init.scope", 1001,
                         "bad\033[2J");
        process_tree_add(t, "/machine.slice/skep@web.service/payload/_odd", 5, "x");
        process_tree_add(t, "/machine.slice/skep@web.servicex", 1, "not ours");
        process_tree_add(t, "/elsewhere", 2, "not ours");
        return t;
}

static void test_tree(void **state) {
        _cleanup_(process_tree_freep) ProcessTree *t = example("/machine.slice/skep@web.service");
        _cleanup_(buf_done) Buf b = {};

        assert_int_equal(process_tree_format(t, "> ", 0, false, &b), 0);
        assert_string_equal(b.p, "> ├─payload\n"
                                 "> │ ├─odd\n"
                                 "> │ │ └─5 x\n"
                                 "> │ ├─init.scope\n"
                                 "> │ │ ├─  12 /sbin/init\n"
                                 "> │ │ └─1001 bad\\x1b[2J\n"
                                 "> │ └─system.slice\n"
                                 "> │   ├─a.service\n"
                                 "> │   │ └─99 a two\n"
                                 "> │   └─b.service\n"
                                 "> │     └─1203 b\n"
                                 "> └─supervisor\n"
                                 ">   └─7 skep-spawn -M web\n");
}

static void test_ascii_and_narrow(void **state) {
        _cleanup_(process_tree_freep) ProcessTree *t = example("/machine.slice/skep@web.service/");
        _cleanup_(buf_done) Buf b = {};

        assert_int_equal(process_tree_format(t, "", 16, true, &b), 0);
        assert_string_equal(b.p, "|-payload\n"
                                 "| |-odd\n"
                                 "| | `-5 x\n"
                                 "| |-init.scope\n"
                                 "| | |-  12 /s...\n"
                                 "| | `-1001 ba...\n"
                                 "| `-system.slice\n"
                                 "|   |-a.service\n"
                                 "|   | `-99 a two\n"
                                 "|   `-b.service\n"
                                 "|     `-1203 b\n"
                                 "`-supervisor\n"
                                 "  `-7 skep-sp...\n");
}

/* A process of the group itself stands before its sub-groups; "/" is a root like others. */
static void test_roots(void **state) {
        static const char *const roots[] = { "/", "" };

        for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
                _cleanup_(process_tree_freep) ProcessTree *t = NULL;
                _cleanup_(buf_done) Buf b = {};

                assert_int_equal(process_tree_new(roots[i], &t), 0);
                assert_int_equal(process_tree_add(t, "/a", 3, "three"), 0);
                assert_int_equal(process_tree_add(t, "/", 2, "two"), 0);
                assert_int_equal(process_tree_format(t, "", 0, true, &b), 0);
                CHECK_STR(b.p, "|-2 two\n`-a\n  `-3 three\n", "root '%s'", roots[i]);
        }
}

static void test_empty(void **state) {
        _cleanup_(process_tree_freep) ProcessTree *t = NULL;
        _cleanup_(buf_done) Buf b = {};

        assert_int_equal(process_tree_new("/x", &t), 0);
        assert_int_equal(process_tree_format(t, "", 0, false, &b), 0);
        assert_int_equal(b.n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tree),
                cmocka_unit_test(test_ascii_and_narrow),
                cmocka_unit_test(test_roots),
                cmocka_unit_test(test_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
