/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is picked by name: always the same, never what is taken, and until nothing is left. */
#include "check.h"

#include "net/allocation.h"

static const Id128 host = { { 1, 2, 3 } }, other_host = { { 9 } };

static void take(AllocationTaken *t, const char *text) {
        IpPrefix p;

        assert_int_equal(ip_prefix_parse(text, &p), 0);
        assert_int_equal(allocation_add(t, &p), 0);
}

static void test_stable(void **state) {
        static const int families[] = { AF_INET, AF_INET6 };
        AllocationTaken none = {};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                _cleanup_(allocation_done) AllocationTaken t = {};
                IpPrefix a, b;

                assert_int_equal(allocation_subnet(families[i], "web", &host, 28, &none, &a), 0);
                assert_int_equal(allocation_subnet(families[i], "web", &host, 28, &none, &b), 0);
                assert_true(ip_equal(&a.ip, &b.ip));
                assert_int_equal(a.length, families[i] == AF_INET ? 28 : 64);
                assert_int_equal(allocation_subnet(families[i], "db", &host, 28, &none, &b), 0);
                assert_false(ip_equal(&a.ip, &b.ip));

                /* Who finds it taken gets another, and always the same one. */
                assert_int_equal(allocation_add(&t, &a), 0);
                IpPrefix second, again;
                assert_int_equal(allocation_subnet(families[i], "web", &host, 28, &t, &second), 0);
                assert_false(ip_prefix_overlaps(&a, &second));
                assert_int_equal(allocation_subnet(families[i], "web", &host, 28, &t, &again), 0);
                assert_true(ip_equal(&second.ip, &again.ip));
        }
}

static void test_ranges(void **state) {
        _cleanup_(allocation_done) AllocationTaken t = {};
        char text[IP_PREFIX_TEXT_MAX];
        IpPrefix p, range;

        (void) state;
        assert_int_equal(allocation_subnet(AF_INET6, "web", &host, 0, &t, &p), 0);
        assert_int_equal(p.ip.bytes[0], 0xfd);
        IpPrefix q;
        assert_int_equal(allocation_subnet(AF_INET6, "web", &other_host, 0, &t, &q), 0);
        assert_memory_not_equal(p.ip.bytes, q.ip.bytes, 6);

        static const char *const ranges[] = { "10.192.0.0/10", "172.16.0.0/12", "192.168.0.0/16" };
        for (size_t i = 0; i < ELEMENTSOF(ranges); i++) {
                assert_int_equal(allocation_subnet(AF_INET, "web", &host, 24, &t, &p), 0);
                assert_int_equal(ip_prefix_parse(ranges[i], &range), 0);
                CHECK_EQ(ip_prefix_has(&range, &p.ip), true, "%s in %s", ip_prefix_format(&p, text),
                         ranges[i]);
                take(&t, ranges[i]);
        }
        assert_int_equal(allocation_subnet(AF_INET, "web", &host, 24, &t, &p), -ENOSPC);
}

static void test_addresses(void **state) {
        static const struct {
                const char *subnet;
                unsigned n; /* that can be picked */
        } rows[] = {
                { "10.0.0.0/30", 1 },  { "10.0.0.0/29", 5 },   { "10.0.0.0/24", 253 },
                { "10.0.0.0/31", 0 },  { "10.0.0.0/8", 1022 }, { "fd00::/126", 2 },
                { "fd00::/64", 1022 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(allocation_done) AllocationTaken t = {};
                IpPrefix subnet, p;
                unsigned n = 0;

                assert_int_equal(ip_prefix_parse(rows[i].subnet, &subnet), 0);
                /* The subnet itself being a route of the host takes no address in it. */
                assert_int_equal(allocation_add(&t, &subnet), 0);
                while (allocation_address(&subnet, "web", &t, &p) == 0) {
                        Ip gateway = ip_prefix_nth(&subnet, 1);
                        CHECK_EQ(ip_prefix_has(&subnet, &p.ip), true, "row %zu", i);
                        CHECK_EQ(ip_equal(&p.ip, &gateway), false, "row %zu", i);
                        CHECK_EQ(ip_prefix_is_usable(&p), true, "row %zu", i);
                        CHECK_EQ(p.length, subnet.length, "row %zu", i);
                        p.length = ip_bits(p.ip.family);
                        for (size_t j = 0; j < t.n; j++)
                                CHECK_EQ(t.v[j].length == p.length && ip_equal(&t.v[j].ip, &p.ip),
                                         false, "row %zu: the same twice", i);
                        assert_int_equal(allocation_add(&t, &p), 0);
                        n++;
                }
                CHECK_EQ(n, rows[i].n, "row %zu %s", i, rows[i].subnet);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stable),
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
