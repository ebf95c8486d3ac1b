/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <unistd.h>

#include "machined/address.h"
#include "machined/guest-link.h"
#include "machined/process-list.h"
#include "machined/statistics.h"

static void test_files_of_groups(void **state) {
        static const char cpu[] = "usage_usec 123\nuser_usec 100\nsystem_usec 23\nnr_periods 0\n";
        static const char io[] = "8:0 rbytes=100 wbytes=7 rios=2 wios=1 dbytes=9 dios=1\n"
                                 "253:1 rbytes=20 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n";

        assert_true(statistics_parse_flat(cpu, "usage_usec") == 123);
        assert_true(statistics_parse_flat(cpu, "system_usec") == 23);
        assert_true(statistics_parse_flat(cpu, "usec") == STATISTICS_UNKNOWN);
        assert_true(statistics_parse_flat("", "usage_usec") == STATISTICS_UNKNOWN);
        assert_true(statistics_parse_io(io, "rbytes") == 120);
        assert_true(statistics_parse_io(io, "wios") == 1);
        assert_true(statistics_parse_io("8:0 \n", "rbytes") == STATISTICS_UNKNOWN);
        assert_true(statistics_parse_number("4096\n") == 4096);
        assert_true(statistics_parse_number("max\n") == STATISTICS_UNKNOWN);
        assert_true(statistics_parse_number("99999999999999999999") == STATISTICS_UNKNOWN);
}

static void test_names(void **state) {
        for (StatisticsField i = 0; i < _STATISTICS_FIELD_MAX; i++) {
                assert_non_null(statistics_name(i));
                for (StatisticsField k = 0; k < i; k++)
                        assert_string_not_equal(statistics_name(i), statistics_name(k));
        }
}

static void test_processes(void **state) {
        static const char status[] = "Name:\tx\nUid:\t1\t65541\t1\t1\nNSpid:\t4711\t12\t3\n"
                                     "VmRSS:\t   2048 kB\n";
        static const char
                stat[] = "4711 (a ) b) S 1 1 1 0 -1 0 1 2 3 4 150 50 0 0 20 0 1 0 700 9 9";
        uint64_t ticks = (uint64_t) sysconf(_SC_CLK_TCK);
        ProcessEntry p = {};

        CHECK_EQ(process_list_parse(status, stat, 1, &p), 1, "one level below");
        CHECK_EQ(p.inner, 12, "PID inside");
        CHECK_EQ(p.uid, 65541, "effective user");
        CHECK_EQ(p.memory, 2048 * 1024, "memory");
        assert_true(p.cpu_nsec == 200 * (1000000000 / ticks));
        assert_true(p.started_usec == 700 * (1000000 / ticks));
        CHECK_EQ(process_list_parse(status, stat, 0, &p), 1, "no namespace of its own");
        CHECK_EQ(p.inner, 4711, "PID of the host");
        CHECK_EQ(process_list_parse(status, stat, 3, &p), 0, "not inside");
        CHECK_EQ(process_list_parse("", stat, 0, &p), -EBADMSG, "no status");
        CHECK_EQ(process_list_parse(status, "4711 (a) S 1", 0, &p), -EBADMSG, "no times");
}

/* host0 (2) and one that hardware is behind (5); d0 (3) is a bridge of its own with the end of somebody
 * in there (4); 6 is a bridge over host0, 7 a VLAN on that. */
static const GuestLink example[] = {
        { .index = 1, .is_loopback = true, .is_plain = true },
        { .index = 2, .link = 20, .link_is_away = true, .master = 6 },
        { .index = 3, .is_bridge = true },
        { .index = 4, .link = 9, .link_is_away = true, .master = 3 },
        { .index = 5, .is_plain = true },
        { .index = 6, .is_bridge = true },
        { .index = 7, .link = 6 },
};

static void test_which_lead_out(void **state) {
        static const struct {
                int netif, pair;
                unsigned out, uplinks; /* 1 << index */
        } cases[] = {
                { 20, 2, 1 << 2 | 1 << 6 | 1 << 7, 1 << 2 }, /* the host has the other end */
                { 20, 4, 1 << 5, 1 << 5 },                   /* it only says so */
                { 20, 0, 1 << 5, 1 << 5 },                   /* it has none: what is no port */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                GuestLink v[ELEMENTSOF(example)];
                GuestLinks l = { v, ELEMENTSOF(v) };
                unsigned out = 0, uplinks = 0;

                memcpy(v, example, sizeof v);
                guest_links_mark(&l, &cases[i].pair, &cases[i].netif, 1);
                for (size_t k = 0; k < l.n; k++) {
                        out |= v[k].leads_out ? 1U << v[k].index : 0;
                        uplinks |= v[k].is_uplink ? 1U << v[k].index : 0;
                }
                CHECK_EQ(out, cases[i].out, "row %zu", i);
                CHECK_EQ(uplinks, cases[i].uplinks, "row %zu", i);
        }
}

#define V4(link, last, reach)                                                                      \
        {                                                                                          \
                .family = AF_INET, .ifindex = link, .scope = reach, .bytes = { 10, 0, 0, last }    \
        }
#define V6(link, last, reach)                                                                      \
        {                                                                                          \
                .family = AF_INET6, .ifindex = link, .scope = reach, .bytes = { 0xfd, last }       \
        }

/* Scopes: 0 the world, 253 a link. */
static void test_order_of_addresses(void **state) {
        static const Address addresses[] = {
                V4(3, 1, 0), /* its own bridge */
                V6(7, 2, 253), V4(7, 3, 253), V6(7, 4, 0),
                V4(7, 5, 0),   V4(7, 5, 0), /* twice the same */
                V4(5, 6, 0),                /* leads out by itself, but the host knows of another */
        };
        static const uint8_t order[] = { 5, 4, 3, 2, 6 };
        const int netif = 20, pair = 2;
        GuestLink links[ELEMENTSOF(example)];
        GuestLinks l = { links, ELEMENTSOF(links) };
        Address v[ELEMENTSOF(addresses)];

        memcpy(links, example, sizeof links);
        memcpy(v, addresses, sizeof v);
        guest_links_mark(&l, &pair, &netif, 1);
        CHECK_EQ(address_order(&l, v, ELEMENTSOF(v)), ELEMENTSOF(order), "number");
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                CHECK_EQ(v[i].bytes[v[i].family == AF_INET ? 3 : 1], order[i], "place %zu", i);

        /* Where nothing is known of interfaces, all stay. */
        memcpy(v, addresses, sizeof v);
        CHECK_EQ(address_order(&(GuestLinks){}, v, ELEMENTSOF(v)), ELEMENTSOF(v) - 1, "all");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_files_of_groups),    cmocka_unit_test(test_names),
                cmocka_unit_test(test_processes),          cmocka_unit_test(test_which_lead_out),
                cmocka_unit_test(test_order_of_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
