/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and addresses of links. Making them needs privileges: see test/root. */
#include "spawn/network-lend.h"
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

/* Everything that links can be made of, as --dry-run shows it. */
static void test_format(void **state) {
        NetworkPair extra[] = { { (char *) "ex0", (char *) "in0" }, { (char *) "ex1", NULL } },
                    macvlan[] = { { (char *) "eth0", NULL },
                                  { (char *) "a-long-name-of-a-link", NULL } },
                    ipvlan[] = { { (char *) "eth0", (char *) "ip0" } },
                    lent[] = { { (char *) "eth1", NULL }, { (char *) "eth2", (char *) "lan" } };
        const NetworkSpec n = {
                .zone = (char *) "z",
                .has_mac = true,
                .mac = { 2, 0, 0, 0, 0, 1 },
                .veth_extra = { extra, ELEMENTSOF(extra) },
                .macvlan = { macvlan, ELEMENTSOF(macvlan) },
                .ipvlan = { ipvlan, ELEMENTSOF(ipvlan) },
                .interfaces = { lent, ELEMENTSOF(lent) },
        };
        _cleanup_(network_plan_done) NetworkPlan p = plan_of(&n, "web", 1);
        _cleanup_(buf_done) Buf out = {};

        assert_int_equal(network_plan_format(&p, &out), 0);
        assert_string_equal(
                out.p,
                "  veth vb-web 6a:6d:d0:d9:2f:0a peer host0 02:00:00:00:00:01 bridge vz-z 3e:7e:24:30:3e:20\n"
                "  veth ex0 7a:2c:84:20:77:19 peer in0 6e:e8:bc:22:04:ed\n"
                "  veth ex1 5e:13:c5:00:e8:e1 peer ex1 ae:df:56:b3:25:d3\n"
                "  macvlan mv-eth0 ea:3f:34:26:50:35 on eth0\n"
                "  macvlan mv-a-long-nYuUP 4a:00:17:b1:c5:5d altname mv-a-long-name-of-a-link on a-long-name-of-a-link\n"
                "  ipvlan ip0 on eth0\n"
                "  interface eth1\n"
                "  interface eth2 as lan\n");
}

static void test_same_names(void **state) {
        NetworkPair a[] = { { (char *) "ve-web", (char *) "x" } },
                    b[] = { { (char *) "ex", (char *) "host0" } },
                    c[] = { { (char *) "eth0", NULL }, { (char *) "eth0", NULL } },
                    d[] = { { (char *) "eth0", (char *) "e" } }, e[] = { { (char *) "e", NULL } },
                    f[] = { { (char *) "a", (char *) "b" }, { (char *) "a", (char *) "c" } };
        const NetworkSpec rows[] = {
                { .veth = true, .veth_extra = { a, 1 } },
                { .veth = true, .veth_extra = { b, 1 } },
                { .macvlan = { c, 2 } },
                { .macvlan = { d, 1 }, .ipvlan = { d, 1 } },
                { .macvlan = { d, 1 }, .interfaces = { e, 1 } },
                { .interfaces = { f, 2 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const Spec spec = { .machine = (char *) "web", .network = rows[i] };
                NetworkPlan p = {};
                Error error = {};

                CHECK_EQ(network_plan(&spec, &(Id128){}, &p, &error), -EEXIST, "row %zu", i);
                CHECK_EQ(strstr(error.text, "the same name") != NULL, true, "row %zu: %s", i,
                         error.text);
        }
        /* With a bridge the name is another. */
        _cleanup_(network_plan_done) NetworkPlan p = plan_of(
                &(NetworkSpec){ .bridge = (char *) "br0", .veth_extra = { a, 1 } }, "web", 1);
        assert_int_equal(p.n, 2);
        assert_string_equal(p.links[0].host, "vb-web");
}

static void test_udev(void **state) {
        assert_false(lending_udev_is_done(NULL));
        assert_true(lending_udev_is_done("I:1234\nE:ID_NET_NAME_PATH=enp1s0\nG:systemd\n"));
        assert_false(lending_udev_is_done("I:1234\nE:ID_RENAMING=1\n"));
        assert_true(lending_udev_is_done("I:1234\nE:NOT_ID_RENAMING=1\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),  cmocka_unit_test(test_apart),
                cmocka_unit_test(test_format), cmocka_unit_test(test_same_names),
                cmocka_unit_test(test_udev),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
