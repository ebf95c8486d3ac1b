/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the names in a stack mean, and in which order they count. */
#include "image/mstack.h"

#include "base/text.h"
#include "check.h"

static void test_names(void **state) {
        static const struct {
                const char *name;
                bool is_disk;
                int type; /* or what is returned */
                const char *id, *place;
        } cases[] = {
                { "layer@1", false, MSTACK_LAYER, "1", NULL },
                { "layer@a-b.raw", true, MSTACK_LAYER, "a-b", NULL },
                { "layer@a.raw", false, MSTACK_LAYER, "a.raw", NULL },
                { "rw", false, MSTACK_RW, NULL, NULL },
                { "rw.raw", true, MSTACK_RW, NULL, NULL },
                { "root", false, MSTACK_ROOT, NULL, NULL },
                { "bind@var", false, MSTACK_BIND, NULL, "/var" },
                { "bind@var-lib-x.raw", true, MSTACK_BIND, NULL, "/var/lib/x" },
                { "robind@srv-a\\x2db\\x5c", false, MSTACK_ROBIND, NULL, "/srv/a-b\\" },
                { "bind@-", false, MSTACK_BIND, NULL, "/" },
                { "layer@", false, -EINVAL, NULL, NULL },
                { "layer", false, -EINVAL, NULL, NULL },
                { "bind@", false, -EINVAL, NULL, NULL },
                { "bind@a--b", false, -EINVAL, NULL, NULL },
                { "bind@-a", false, -EINVAL, NULL, NULL },
                { "bind@a-", false, -EINVAL, NULL, NULL },
                { "bind@a-..-b", false, -EINVAL, NULL, NULL },
                { "bind@a\\x2fb", false, -EINVAL, NULL, NULL },
                { "bind@a\\x00b", false, -EINVAL, NULL, NULL },
                { "bind@a\\x2", false, -EINVAL, NULL, NULL },
                { "bind@a\\", false, -EINVAL, NULL, NULL },
                { "rwx", false, -EINVAL, NULL, NULL },
                { "rw.raw", false, -EINVAL, NULL, NULL },
                { "layer@1", true, -EINVAL, NULL, NULL },
                { ".raw", true, -EINVAL, NULL, NULL },
                { "layer@1.v/layer@1_2", false, MSTACK_LAYER, "1", NULL },
                { "layer@1.raw.v/layer@1_2_x86-64+3-0.raw", true, MSTACK_LAYER, "1", NULL },
                { "bind@var-lib.v/bind@var-lib_2", false, MSTACK_BIND, NULL, "/var/lib" },
                { "root.v/root_7", false, MSTACK_ROOT, NULL, NULL },
                { "rw.v/rw_7", false, -EINVAL, NULL, NULL },
                { "layer@1.v", false, -EINVAL, NULL, NULL },
                { "layer@1.v", true, -EINVAL, NULL, NULL },
                { "layer@1.v/layer@2_2", false, -EINVAL, NULL, NULL },
                { "layer@1.v/layer@1_2/..", false, -EINVAL, NULL, NULL },
                { "layer@1.raw.v/layer@1_2", true, -EINVAL, NULL, NULL },
                { "layer@1/layer@1_2", false, -EINVAL, NULL, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(mstack_done) Mstack m = {};
                Error e = {};
                int r = mstack_add(&m, cases[i].name, cases[i].is_disk, &e);

                if (cases[i].type < 0) {
                        CHECK_EQ(r, cases[i].type, "row %zu", i);
                        CHECK_EQ(m.n, 0, "row %zu", i);
                        assert_non_null(strstr(e.text, cases[i].name));
                        continue;
                }
                CHECK_EQ(r, 0, "row %zu: %s", i, e.text);
                CHECK_EQ(m.entries[0].type, cases[i].type, "row %zu", i);
                CHECK_STR(strempty(m.entries[0].id), strempty(cases[i].id), "row %zu", i);
                CHECK_STR(strempty(m.entries[0].place), strempty(cases[i].place), "row %zu", i);
                CHECK_STR(m.entries[0].name, cases[i].name, "row %zu", i);
        }
}

static void test_order(void **state) {
        static const char *const names[] = {
                "robind@a",  "layer@10", "bind@a-b",   "layer@9",  "root",    "layer@1.10",
                "layer@1.9", "rw",       "layer@beta", "layer@09", "layer@1", "bind@A",
        };
        static const char expected[] = "layer@1 layer@1.9 layer@1.10 layer@09 layer@9 layer@10 "
                                       "layer@beta rw root bind@A robind@a bind@a-b ";
        _cleanup_(mstack_done) Mstack m = {};
        _cleanup_(buf_done) Buf order = {};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                CHECK_EQ(mstack_add(&m, names[i], false, NULL), 0, "%s", names[i]);
        mstack_sort(&m);
        for (size_t i = 0; i < m.n; i++)
                assert_int_equal(buf_printf(&order, "%s ", m.entries[i].name), 0);
        assert_string_equal(order.p, expected);
        assert_string_equal(mstack_find(&m, MSTACK_BIND, "/a/b")->name, "bind@a-b");
        assert_null(mstack_find(&m, MSTACK_BIND, "/a"));
        assert_non_null(mstack_find(&m, MSTACK_RW, NULL));
}

static void test_twice(void **state) {
        static const struct {
                const char *first, *second;
                bool is_disk; /* the second one */
        } cases[] = {
                { "layer@1", "layer@1.raw", true }, { "rw", "rw.raw", true },
                { "root", "root.raw", true },       { "bind@a", "robind@a", false },
                { "bind@a", "bind@\\x61", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(mstack_done) Mstack m = {};

                CHECK_EQ(mstack_add(&m, cases[i].first, false, NULL), 0, "row %zu", i);
                CHECK_EQ(mstack_add(&m, cases[i].second, cases[i].is_disk, NULL), -ENOTUNIQ,
                         "row %zu", i);
                CHECK_EQ(m.n, 1, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_twice),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
