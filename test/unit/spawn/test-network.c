/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and addresses of links. Making them needs privileges: see test/root. */
#include "spawn/network.h"

#include "check.h"

static void test_names(void **state) {
        static const struct {
                const char *machine;
                size_t length;
                bool cut;
        } rows[] = {
                { "web", 6, false },
                { "exactly-12ch", 15, false },
                { "one-more-13ch", 15, true },
                { "a-name-of-sixty-four-characters-which-is-the-longest-there-is-ok", 15, true },
        };
        const Id128 id = { { 1 } };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                NetworkVeth v;

                network_veth_plan(rows[i].machine, &id, &v);
                CHECK_EQ(strlen(v.name), rows[i].length, "row %zu", i);
                CHECK_EQ(!streq(v.name, v.full_name), rows[i].cut, "row %zu", i);
                CHECK_EQ(strncmp(v.name, v.full_name, 11), 0, "row %zu", i);
                CHECK_STR(v.full_name + 3, rows[i].machine, "row %zu", i);
                CHECK_EQ(v.host_mac[0] & 3, 2, "row %zu", i);
                CHECK_EQ(v.inside_mac[0] & 3, 2, "row %zu", i);
                assert_memory_not_equal(v.host_mac, v.inside_mac, 6);
        }
}

/* Long names with the same beginning stay apart; addresses hang on host and name alone. */
static void test_apart(void **state) {
        const Id128 one = { { 1 } }, two = { { 2 } };
        NetworkVeth a, b, again, elsewhere;

        network_veth_plan("a-long-machine-name-1", &one, &a);
        network_veth_plan("a-long-machine-name-2", &one, &b);
        network_veth_plan("a-long-machine-name-1", &one, &again);
        network_veth_plan("a-long-machine-name-1", &two, &elsewhere);
        assert_string_not_equal(a.name, b.name);
        assert_memory_not_equal(a.host_mac, b.host_mac, 6);
        assert_memory_equal(&a, &again, sizeof a);
        assert_string_equal(a.name, elsewhere.name);
        assert_memory_not_equal(a.host_mac, elsewhere.host_mac, 6);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
