/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of --port=: what is read, how it is written, what is refused, which take the same packets. */
#include "check.h"

#include "net/port.h"

static void test_parse(void **state) {
        static const struct {
                const char *in;
                const char *out; /* NULL = refused */
        } rows[] = {
                { "80", "tcp:80" },
                { "8080:80", "tcp:8080:80" },
                { "tcp:8080:80", "tcp:8080:80" },
                { "udp:53", "udp:53" },
                { "53/udp", "udp:53" },
                { "udp:53/udp", "udp:53" },
                { "sctp:9:10", "sctp:9:10" },
                { "127.0.0.1:8080:80", "tcp:127.0.0.1:8080:80" },
                { "udp:127.0.0.1:8080", "udp:127.0.0.1:8080" },
                { "127.0.0.1:8080:80/udp", "udp:127.0.0.1:8080:80" },
                { "0.0.0.0:80", "tcp:0.0.0.0:80" },
                { "[::]:80", "tcp:[::]:80" },
                { "[::1]:8080:80", "tcp:[::1]:8080:80" },
                { "tcp:[2001:DB8::1]:8080:80", "tcp:[2001:db8::1]:8080:80" },
                { "8000-8010", "tcp:8000-8010" },
                { "8000-8010:80-90", "tcp:8000-8010:80-90" },
                { "10.0.0.1:8000-8010:80-90", "tcp:10.0.0.1:8000-8010:80-90" },
                { "80-80:90", "tcp:80:90" },
                { "1-65535", "tcp:1-65535" },
                { "65535:1", "tcp:65535:1" },
                { "", NULL },
                { ":", NULL },
                { ":80", NULL },
                { "80:", NULL },
                { "0", NULL },
                { "65536", NULL },
                { "-1", NULL },
                { "+80", NULL },
                { " 80", NULL },
                { "80 ", NULL },
                { "http", NULL },
                { "tcp", NULL },
                { "tcp:", NULL },
                { "tcp:udp:80", NULL },
                { "TCP:80", NULL },
                { "icmp:80", NULL },
                { "80/icmp", NULL },
                { "80/", NULL },
                { "tcp:80/udp", NULL },
                { "8010-8000", NULL },
                { "8000-8010:80", NULL },
                { "8000-8010:80-91", NULL },
                { "80:8000-8010", NULL },
                { "80-", NULL },
                { "-80", NULL },
                { "80:80:80", NULL },
                { "::1:80:80", NULL },
                { "127.0.0.1", NULL },
                { "127.0.0.1:", NULL },
                { "127.0.0.1::80", NULL },
                { "127.0.0.256:80", NULL },
                { "127.1:80", NULL },
                { "[127.0.0.1]:80", NULL },
                { "[::1]80", NULL },
                { "[::1]", NULL },
                { "[::1:80", NULL },
                { "[fe80::1%eth0]:80", NULL },
                { "[::ffff:127.0.0.1]:80", NULL },
                { "224.0.0.1:80", NULL },
                { "255.255.255.255:80", NULL },
                { "[ff02::1]:80", NULL },
                { "localhost:80", NULL },
                { "80\n", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf out = {}, twice = {};
                Port p = {}, again = {};
                Error e = {};
                int r = port_parse(rows[i].in, &p, &e);

                CHECK_EQ(r == 0, rows[i].out != NULL, "row %zu '%s'", i, rows[i].in);
                CHECK_EQ(e.text[0] == '\0', r == 0, "row %zu '%s'", i, rows[i].in);
                if (r < 0)
                        continue;
                assert_int_equal(port_format(&p, &out), 0);
                CHECK_STR(out.p, rows[i].out, "row %zu '%s'", i, rows[i].in);
                assert_int_equal(port_parse(out.p, &again, NULL), 0);
                assert_int_equal(port_format(&again, &twice), 0);
                CHECK_STR(twice.p, rows[i].out, "row %zu '%s'", i, rows[i].in);
        }
}

static void test_causes(void **state) {
        static const struct {
                const char *in, *cause;
        } rows[] = {
                { "8000-8010:80-91", "11 ports of the host cannot lead to 12 of the machine" },
                { "http:80", "'http' is neither tcp, udp or sctp, nor an address in numbers" },
                { "::1:80:80", "there are too many colons; an IPv6 address is put in brackets" },
                { "127.0.0.256:80", "'127.0.0.256' is not an IPv4 address" },
                { "9-5", "the range '9-5' ends before it begins" },
                { "80:0", "'0' is not a port from 1 to 65535, nor a range" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Error e = {};
                Port p;

                assert_int_equal(port_parse(rows[i].in, &p, &e), -EINVAL);
                CHECK_STR(e.text, rows[i].cause, "row %zu", i);
        }
}

static void test_overlaps(void **state) {
        static const struct {
                const char *a, *b;
                bool overlap;
        } rows[] = {
                { "80", "80", true },
                { "80", "81", false },
                { "80", "udp:80", false },
                { "80", "127.0.0.1:80", true },
                { "0.0.0.0:80", "127.0.0.1:80", true },
                { "[::]:80", "127.0.0.1:80", false },
                { "[::]:80", "[::1]:80", true },
                { "127.0.0.1:80", "127.0.0.2:80", false },
                { "127.0.0.1:80", "127.0.0.1:80:90", true },
                { "80-90", "90:1", true },
                { "80-90", "91:1", false },
                { "1-65535", "65535", true },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Port a, b;

                assert_int_equal(port_parse(rows[i].a, &a, NULL), 0);
                assert_int_equal(port_parse(rows[i].b, &b, NULL), 0);
                CHECK_EQ(port_overlaps(&a, &b), rows[i].overlap, "row %zu", i);
                CHECK_EQ(port_overlaps(&b, &a), rows[i].overlap, "row %zu, turned", i);
        }
}

static void test_list(void **state) {
        PortList l = {};
        Error e = {};
        Port p;

        (void) state;
        assert_int_equal(port_parse("1-65535", &p, NULL), 0);
        assert_int_equal(port_list_add(&l, &p, NULL), 0);
        assert_int_equal(port_parse("127.0.0.1:80", &p, NULL), 0);
        assert_int_equal(port_list_add(&l, &p, &e), -EEXIST);
        assert_string_equal(e.text, "'tcp:1-65535' is taken by this machine already");
        assert_int_equal(port_parse("udp:80", &p, NULL), 0);
        assert_int_equal(port_list_add(&l, &p, NULL), -E2BIG);
        assert_int_equal(l.n, 1);
        port_list_done(&l);
}

static void test_loopback(void **state) {
        static const struct {
                const char *in;
                bool v4, v6;
        } rows[] = {
                { "80", true, true },
                { "0.0.0.0:80", true, false },
                { "[::]:80", false, true },
                { "127.3.2.1:80", true, false },
                { "192.0.2.1:80", false, false },
                { "[::1]:80", false, true },
                { "[2001:db8::1]:80", false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Port p;

                assert_int_equal(port_parse(rows[i].in, &p, NULL), 0);
                CHECK_EQ(port_has_loopback(&p, AF_INET), rows[i].v4, "row %zu", i);
                CHECK_EQ(port_has_loopback(&p, AF_INET6), rows[i].v6, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),    cmocka_unit_test(test_causes),
                cmocka_unit_test(test_overlaps), cmocka_unit_test(test_list),
                cmocka_unit_test(test_loopback),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
