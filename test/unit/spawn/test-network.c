/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and addresses of links. Making them needs privileges: see test/root. */
#include "spawn/network-plan.h"

#include "check.h"

/* The machine of which all that is in @spec is its network and its name. */
static NetworkPlan plan_of(const NetworkSpec *network, const char *machine, uint8_t host) {
        const Spec spec = { .machine = (char *) machine, .network = *network };
        const Id128 id = { { host } };
        NetworkPlan p;

        assert_int_equal(network_plan(&spec, &id, &p, NULL), 0);
        return p;
}

static NetworkLink veth_of(const char *machine, uint8_t host) {
        _cleanup_(network_plan_done)
                NetworkPlan p = plan_of(&(NetworkSpec){ .veth = true }, machine, host);

        assert_int_equal(p.n, 1);
        return p.links[0];
}

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

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const NetworkLink v = veth_of(rows[i].machine, 1);
                const char *whole = *v.host_altname ? v.host_altname : v.host;

                CHECK_EQ(strlen(v.host), rows[i].length, "row %zu", i);
                CHECK_EQ(*v.host_altname != '\0', rows[i].cut, "row %zu", i);
                CHECK_EQ(strncmp(v.host, whole, 11), 0, "row %zu", i);
                CHECK_STR(whole + 3, rows[i].machine, "row %zu", i);
                CHECK_STR(v.inside, "host0", "row %zu", i);
                CHECK_EQ(v.host_mac[0] & 3, 2, "row %zu", i);
                CHECK_EQ(v.inside_mac[0] & 3, 2, "row %zu", i);
                assert_memory_not_equal(v.host_mac, v.inside_mac, 6);
        }
}

/* Long names with the same beginning stay apart; addresses hang on host and name alone. */
static void test_apart(void **state) {
        const NetworkLink a = veth_of("a-long-machine-name-1", 1),
                          b = veth_of("a-long-machine-name-2", 1),
                          again = veth_of("a-long-machine-name-1", 1),
                          elsewhere = veth_of("a-long-machine-name-1", 2);

        assert_string_not_equal(a.host, b.host);
        assert_memory_not_equal(a.host_mac, b.host_mac, 6);
        assert_memory_equal(&a, &again, sizeof a);
        assert_string_equal(a.host, elsewhere.host);
        assert_memory_not_equal(a.host_mac, elsewhere.host_mac, 6);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
