/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses, subnets, and the values of --network-address=: what is read, what is refused and why. */
#include "check.h"

#include "net/address.h"

static void test_prefix(void **state) {
        static const struct {
                const char *in, *subnet; /* NULL = refused */
                bool usable;
        } rows[] = {
                { "192.0.2.7/24", "192.0.2.0/24", true },
                { "192.0.2.0/24", "192.0.2.0/24", false },
                { "192.0.2.255/24", "192.0.2.0/24", false },
                { "192.0.2.255/23", "192.0.2.0/23", true },
                { "192.0.2.0/31", "192.0.2.0/31", true },
                { "192.0.2.9/32", "192.0.2.9/32", true },
                { "2001:db8::1/64", "2001:db8::/64", true },
                { "2001:db8::/64", "2001:db8::/64", false },
                { "2001:db8::ffff:ffff:ffff:ffff/64", "2001:db8::/64", true },
                { "2001:db8:0:7:8::/61", "2001:db8::/61", true },
                { "192.0.2.7", NULL, false },
                { "192.0.2.7/", NULL, false },
                { "192.0.2.7/33", NULL, false },
                { "192.0.2.7/024", NULL, false },
                { "192.0.2.7/+4", NULL, false },
                { "192.0.2/24", NULL, false },
                { "192.0.2.07/24", NULL, false },
                { "fe80::1%eth0/64", NULL, false },
                { "2001:db8::1/129", NULL, false },
                { "/24", NULL, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[IP_PREFIX_TEXT_MAX];
                IpPrefix p;
                int r = ip_prefix_parse(rows[i].in, &p);

                CHECK_EQ(r == 0, rows[i].subnet != NULL, "row %zu '%s'", i, rows[i].in);
                if (r < 0)
                        continue;
                IpPrefix subnet = ip_prefix_subnet(&p);
                CHECK_STR(ip_prefix_format(&subnet, text), rows[i].subnet, "row %zu", i);
                CHECK_EQ(ip_prefix_is_usable(&p), rows[i].usable, "row %zu '%s'", i, rows[i].in);
                CHECK_EQ(ip_prefix_has(&subnet, &p.ip), true, "row %zu '%s'", i, rows[i].in);
        }
}

static void test_overlap(void **state) {
        static const struct {
                const char *a, *b;
                bool overlap;
        } rows[] = {
                { "10.0.0.0/8", "10.9.0.0/16", true },   { "10.0.0.0/16", "10.1.0.0/16", false },
                { "10.0.0.0/8", "fd00::/8", false },     { "fd00::/48", "fd00:0:0:7::/64", true },
                { "0.0.0.0/0", "192.0.2.0/24", true },   { "10.0.0.4/30", "10.0.0.7/32", true },
                { "10.0.0.4/30", "10.0.0.8/32", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                IpPrefix a, b;
                assert_int_equal(ip_prefix_parse(rows[i].a, &a), 0);
                assert_int_equal(ip_prefix_parse(rows[i].b, &b), 0);
                CHECK_EQ(ip_prefix_overlaps(&a, &b), rows[i].overlap, "row %zu", i);
                CHECK_EQ(ip_prefix_overlaps(&b, &a), rows[i].overlap, "row %zu", i);
        }
}

static void test_parse(void **state) {
        static const struct {
                const char *in;
                const char *out;  /* NULL = refused */
                const char *word; /* of what is said then */
        } rows[] = {
                { "auto", "auto", NULL },
                { "auto4,link=eth1,nat=no", "auto4,link=eth1,nat=no", NULL },
                { "auto6,gateway=none", "auto6,gateway=none", NULL },
                { "auto,,192.0.2.53,2001:db8::53", "auto,dns=192.0.2.53,dns=2001:db8::53", NULL },
                { "192.0.2.7/24", "192.0.2.7/24", NULL },
                { "192.0.2.7/24,192.0.2.1", "192.0.2.7/24,gateway=192.0.2.1", NULL },
                { "192.0.2.7/24,192.0.2.1,9.9.9.9", "192.0.2.7/24,gateway=192.0.2.1,dns=9.9.9.9",
                  NULL },
                { "192.0.2.7/24,,9.9.9.9", "192.0.2.7/24,dns=9.9.9.9", NULL },
                { "192.0.2.7/24,dns=host", "192.0.2.7/24", NULL },
                { "192.0.2.7/24,dns=none", "192.0.2.7/24,dns=none", NULL },
                { "192.0.2.7/32,198.51.100.1", "192.0.2.7/32,gateway=198.51.100.1", NULL },
                { "2001:db8::2/64,2001:db8::1", "2001:db8::2/64,gateway=2001:db8::1", NULL },
                { "2001:db8::2/64,fe80::1", "2001:db8::2/64,gateway=fe80::1", NULL },
                { "192.0.2.7/24,nat=yes,192.0.2.1", "192.0.2.7/24,gateway=192.0.2.1,nat=yes",
                  NULL },
                { "", NULL, "neither auto" },
                { "automatic", NULL, "neither auto" },
                { "192.0.2.7", NULL, "ADDRESS/LENGTH" },
                { "192.0.2.7/0", NULL, "prefix of that length" },
                { "192.0.2.7/40", NULL, "prefix of that length" },
                { "192.0.2.0/24", NULL, "network or broadcast" },
                { "127.0.0.2/8", NULL, "interface" },
                { "224.0.0.9/24", NULL, "interface" },
                { "0.0.0.9/24", NULL, "interface" },
                { "::1/128", NULL, "interface" },
                { "ff02::5/64", NULL, "interface" },
                { "::ffff:192.0.2.1/120", NULL, "interface" },
                { "2001:db8::/64", NULL, "subnet" },
                { "192.0.2.7/24,192.0.3.1", NULL, "does not lie" },
                { "192.0.2.7/24,192.0.2.7", NULL, "itself" },
                { "192.0.2.7/24,2001:db8::1", NULL, "family" },
                { "192.0.2.7/24,gateway=none,192.0.2.1", NULL, "twice" },
                { "192.0.2.7/24,,", NULL, "name server" },
                { "192.0.2.7/24,,1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4", NULL, "no more than 3" },
                { "192.0.2.7/24,dns=none,dns=1.1.1.1", NULL, "no other" },
                { "192.0.2.7/24,dns=1.1.1.1,dns=host", NULL, "no other" },
                { "192.0.2.7/24,link=", NULL, "link" },
                { "192.0.2.7/24,link=abcdefghijklmnop", NULL, "link" },
                { "192.0.2.7/24,link=a/b", NULL, "link" },
                { "192.0.2.7/24,link=..", NULL, "link" },
                { "192.0.2.7/24,nat=perhaps", NULL, "nat=" },
                { "192.0.2.7/24,mtu=1400", NULL, "there is gateway=" },
                { "auto,10.0.0.1", NULL, "auto,,ADDRESS" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf out = {};
                Error e = {};
                Address a;
                int r = address_parse(rows[i].in, &a, &e);

                CHECK_EQ(r == 0, rows[i].out != NULL, "row %zu '%s' (%s)", i, rows[i].in, e.text);
                if (r < 0) {
                        CHECK_EQ(strstr(e.text, rows[i].word) != NULL, true,
                                 "row %zu '%s' says '%s'", i, rows[i].in, e.text);
                        continue;
                }
                assert_int_equal(address_format(&a, &out), 0);
                CHECK_STR(out.p, rows[i].out, "row %zu '%s'", i, rows[i].in);
        }
}

static void test_list(void **state) {
        static const struct {
                const char *in[4];
                const char *word; /* NULL = fine */
                unsigned picks;   /* 1 = IPv4, 2 = IPv6, by the first one */
        } rows[] = {
                { { "auto" }, NULL, 3 },
                { { "auto", "192.0.2.7/24" }, NULL, 2 },
                { { "auto", "192.0.2.7/24,link=eth1" }, NULL, 3 },
                { { "auto4", "auto6" }, NULL, 1 },
                { { "auto", "auto,link=eth1" }, NULL, 3 },
                { { "192.0.2.7/24", "192.0.2.8/24", "2001:db8::2/64" }, NULL, 0 },
                { { "192.0.2.7/24,192.0.2.1", "192.0.2.8/24,192.0.2.1" }, NULL, 0 },
                { { "192.0.2.7/24", "192.0.2.7/25" }, "twice", 0 },
                { { "auto", "auto4" }, "both pick an IPv4", 3 },
                { { "auto6", "auto6" }, "both pick an IPv6", 2 },
                { { "192.0.2.7/24,192.0.2.1", "10.0.0.2/8,10.0.0.1" }, "two gateways", 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(address_list_done) AddressList l = {};
                Error e = {};

                for (size_t j = 0; rows[i].in[j]; j++) {
                        Address a;
                        assert_int_equal(address_parse(rows[i].in[j], &a, NULL), 0);
                        assert_int_equal(address_list_add(&l, &a), 0);
                }
                unsigned picks = (address_list_picks(&l, l.v, AF_INET) ? 1U : 0) |
                                 (address_list_picks(&l, l.v, AF_INET6) ? 2U : 0);
                CHECK_EQ(picks, rows[i].picks, "row %zu", i);
                int r = address_list_check(&l, &e);
                CHECK_EQ(r == 0, rows[i].word == NULL, "row %zu (%s)", i, e.text);
                if (r < 0)
                        CHECK_EQ(strstr(e.text, rows[i].word) != NULL, true, "row %zu says '%s'", i,
                                 e.text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_prefix),
                cmocka_unit_test(test_overlap),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
