/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/map.h"

static void test_empty(void **state) {
        Map m = {};

        assert_null(map_get(&m, "x"));
        assert_null(map_remove(&m, "x"));
        assert_null(map_get_number(&m, 0));
        map_done(&m);
}

static void test_strings(void **state) {
        char keys[500][12];
        Map m = {};

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                (void) snprintf(keys[i], sizeof keys[i], "key-%zu", i);
                CHECK_EQ(map_put(&m, keys[i], keys[i]), 0, "put %zu", i);
        }
        CHECK_EQ(m.n, ELEMENTSOF(keys), "number");
        for (size_t i = 0; i < ELEMENTSOF(keys); i += 2)
                assert_ptr_equal(map_remove(&m, keys[i]), keys[i]);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                assert_ptr_equal(map_get(&m, keys[i]), i % 2 ? keys[i] : NULL);
        CHECK_EQ(m.n, ELEMENTSOF(keys) / 2, "number after removal");
        map_done(&m);
}

static void test_replace(void **state) {
        char a[] = "same", b[] = "same";
        Map m = {};

        CHECK_EQ(map_put(&m, a, a), 0, "first");
        CHECK_EQ(map_put(&m, b, b), 0, "second");
        memset(a, 0, sizeof a); /* the entry has the new key's pointer now */
        assert_ptr_equal(map_get(&m, "same"), b);
        CHECK_EQ(m.n, 1, "number");
        map_done(&m);
}

/* Random puts and removes against an array: removal must keep every other key reachable. */
static void test_numbers_against_an_array(void **state) {
        void *expected[256] = {};
        uint32_t seed = 1;
        Map m = {};

        for (unsigned i = 0; i < 50000; i++) {
                seed = seed * 1664525 + 1013904223;
                unsigned key = (seed >> 16) % ELEMENTSOF(expected);
                if (seed & 0x8000) {
                        expected[key] = expected + key;
                        CHECK_EQ(map_put_number(&m, key, expected + key), 0, "put");
                } else {
                        assert_ptr_equal(map_remove_number(&m, key), expected[key]);
                        expected[key] = NULL;
                }
                if (i % 64 == 0)
                        for (unsigned k = 0; k < ELEMENTSOF(expected); k++)
                                assert_ptr_equal(map_get_number(&m, k), expected[k]);
        }
        map_done(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_replace),
                cmocka_unit_test(test_numbers_against_an_array),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
