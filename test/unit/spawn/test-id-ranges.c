/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of ID ranges: what is read, what is refused, what they answer. */
#include "check.h"

#include "spawn/id-ranges.h"

static void test_parse(void **state) {
        static const struct {
                const char *in;
                const char *map; /* NULL = refused */
        } rows[] = {
                { "0:100000:65536", "0 100000 65536\n" },
                { "0:100000:65536,65536:500000:1000", "0 100000 65536\n65536 500000 1000\n" },
                { "1:5:1,0:9:1", "1 5 1\n0 9 1\n" },
                { "0:0:4294967295", "0 0 4294967295\n" },
                { "", NULL },
                { "0:1", NULL },
                { "0:1:2:3", NULL },
                { "0:1:0", NULL },
                { "0:1:x", NULL },
                { "0:-1:5", NULL },
                { "0:4294967295:1", NULL }, /* the ID that is none */
                { "0:1:4294967295", NULL },
                { "0:4294967296:1", NULL },
                { "1:100000:65536", NULL },                /* no root */
                { "0:100000:65536,65535:0:1", NULL },      /* overlap inside */
                { "0:100000:65536,65536:165535:9", NULL }, /* overlap outside */
                { "0:1:1,0:1:1", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf out = {};
                IdRanges r = {};
                Error e = {};
                int q = id_ranges_parse(rows[i].in, &r, &e);

                CHECK_EQ(q == 0, rows[i].map != NULL, "row %zu '%s'", i, rows[i].in);
                CHECK_EQ(e.text[0] == '\0', q == 0, "row %zu '%s'", i, rows[i].in);
                if (q < 0)
                        continue;
                assert_int_equal(id_ranges_format(&r, &out), 0);
                CHECK_STR(out.p, rows[i].map, "row %zu '%s'", i, rows[i].in);
        }
}

static void test_too_many(void **state) {
        IdRanges r = {};

        (void) state;
        for (uint32_t i = 0; i < ID_RANGES_MAX; i++)
                assert_int_equal(id_ranges_add(&r, i, 2 * i, 1, NULL), 0);
        assert_int_equal(id_ranges_add(&r, 1000, 1000, 1, NULL), -E2BIG);
}

static void test_lookup(void **state) {
        static const struct {
                uint32_t inside;
                int64_t outside;
        } rows[] = {
                { 0, 100000 },     { 65535, 165535 }, { 65536, 500000 },
                { 66535, 500999 }, { 66536, -1 },     { UINT32_MAX, -1 },
        };
        IdRanges r, other = id_ranges_one(0, 165535, 2), next = id_ranges_one(0, 165536, 65536);

        (void) state;
        assert_int_equal(id_ranges_parse("0:100000:65536,65536:500000:1000", &r, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint32_t outside = 0;
                bool has = id_ranges_to_outside(&r, rows[i].inside, &outside) == 0;

                CHECK_EQ(has, rows[i].outside >= 0, "row %zu", i);
                if (!has)
                        continue;
                CHECK_EQ(outside, rows[i].outside, "row %zu", i);
                CHECK_EQ(id_ranges_has_outside(&r, outside), true, "row %zu", i);
        }
        assert_false(id_ranges_has_outside(&r, 165536));
        assert_false(id_ranges_has_outside(&r, 501000));
        assert_true(id_ranges_overlap(&r, &other));
        assert_false(id_ranges_overlap(&r, &next));
}

/* The disk has 65536 IDs for a machine; those above are not for it. */
static void test_above(void **state) {
        IdRanges r, above;

        (void) state;
        assert_int_equal(id_ranges_parse("0:100000:1000,1000:7:65000,70000:500000:1000", &r, NULL),
                         0);
        above = id_ranges_above(&r, 0x7FFE0000);
        assert_int_equal(above.n, 2);
        assert_int_equal(above.v[0].inside, 0x7FFE0000);
        assert_int_equal(above.v[0].outside, 100000);
        assert_int_equal(above.v[1].inside, 0x7FFE0000 + 1000);
        assert_int_equal(above.v[1].length, 64536);
        assert_int_equal(id_ranges_above(&r, 0).n, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_lookup),
                cmocka_unit_test(test_above),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
