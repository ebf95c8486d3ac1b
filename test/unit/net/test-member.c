/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of machines with addresses, what the packet filter and the sysctls make of them, and the lines of
 * their hosts files. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/forwarding.h"
#include "net/hosts.h"
#include "net/nat.h"

static const char record[] = "maker skep 12 34\n"
                             "segment vz-web\n"
                             "hostname www\n"
                             "hosts 256\n"
                             "address 10.200.0.7/24 link=vz-web inside=host0 host=10.200.0.1/24"
                             " gateway=10.200.0.1 nat picked\n"
                             "address fd00::7/64 link=vz-web inside=host0\n";

static void read_record(const char *name, const char *text, Member *ret) {
        _cleanup_free_ char *copy = strdup(text);

        assert_non_null(copy);
        assert_int_equal(member_parse(name, copy, ret), 0);
}

static void test_record(void **state) {
        static const char *const bad[] = {
                "",
                "maker\n",
                "segment x\n",
                "maker a\nwhat ever\n",
                "maker a\naddress\n",
                "maker a\naddress 10.0.0.1 link=a inside=b\n",
                "maker a\naddress 10.0.0.1/8 inside=b\n",
                "maker a\naddress 10.0.0.1/8 link=a\n",
                "maker a\naddress 10.0.0.1/8 link=a inside=b what\n",
                "maker a\naddress 10.0.0.1/8 link=abcdefghijklmnopq inside=b\n",
                "maker a\naddress 10.0.0.1/8 link=a inside=b host=10.0.0.1\n",
                "maker a\nhosts 0\n",
        };
        _cleanup_(buf_done) Buf out = {};
        _cleanup_(member_done) Member m = {};

        (void) state;
        read_record("web", record, &m);
        assert_int_equal(member_format(&m, &out), 0);
        CHECK_STR(out.p, record, "the same again");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text = strdup(bad[i]);
                _cleanup_(member_done) Member none = {};
                CHECK_EQ(member_parse("web", text, &none) < 0, true, "row %zu", i);
        }
}

static MemberList two_machines(void) {
        MemberList l = { .v = calloc(2, sizeof *l.v), .n = 2 };

        assert_non_null(l.v);
        read_record("web", record, l.v);
        read_record("db",
                    "maker skep 13 35\nsegment vz-web\nhosts 128\n"
                    "address 10.200.0.9/24 link=vz-web inside=host0\n",
                    l.v + 1);
        return l;
}

static void test_nat(void **state) {
        _cleanup_(member_list_done) MemberList l = two_machines();
        _cleanup_(buf_done) Buf out = {}, none = {};
        _cleanup_strv_ char **opened = NULL;

        (void) state;
        assert_int_equal(strv_append(&opened, "eth0"), 0);
        assert_int_equal(strv_append(&opened, "vz-web"), 0);
        assert_int_equal(strv_append(&opened, "odd\" }"), 0);
        assert_int_equal(nat_format(&l, opened, &out), 0);
        assert_non_null(strstr(out.p, "type ipv4_addr;\n  elements = { 10.200.0.7 }"));
        assert_non_null(strstr(out.p, "set sources6 {\n  type ipv6_addr;\n }"));
        assert_non_null(strstr(out.p, "set links {\n  type ifname;\n  elements = { \"vz-web\" }"));
        assert_non_null(strstr(out.p, "set opened {\n  type ifname;\n  elements = { \"eth0\" }"));

        l.v[0].v[0].nat = false;
        assert_int_equal(nat_format(&l, NULL, &none), 0);
        CHECK_STR(none.p, "add table inet skep-nat\ndelete table inet skep-nat\n", "nobody");
}

static void test_forwarding(void **state) {
        ForwardingLink links[] = {
                { "eth0", false, -1, 1 },
                { "eth1", true, -1, 0 },
                { "eth2", false, 0, 2 },
        };
        static const struct {
                bool all4, all6, v4, v6;
                const char *changes;
        } rows[] = {
                { false, false, true, false, "ipv4 eth0 forwarding 1,ipv4 eth2 forwarding 1," },
                { true, false, true, false, "" },
                { false, true, false, true, "" },
                { false, false, false, true,
                  "ipv6 eth0 accept_ra 2,ipv6 eth2 force_forwarding 1,ipv6 all forwarding 1," },
                { true, true, true, true, "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const ForwardingFacts facts = { rows[i].all4, rows[i].all6, links,
                                                ELEMENTSOF(links) };
                _cleanup_(forwarding_plan_done) ForwardingPlan p = {};
                _cleanup_(buf_done) Buf out = {};

                assert_int_equal(forwarding_plan(&facts, rows[i].v4, rows[i].v6, &p), 0);
                assert_int_equal(buf_puts(&out, ""), 0);
                for (size_t j = 0; j < p.n; j++) {
                        _cleanup_strv_ char **words = NULL;
                        assert_int_equal(str_split(p.v[j].path, "/", &words), 0);
                        assert_int_equal(buf_printf(&out, "%s %s %s %d,", words[0], words[2],
                                                    words[3], p.v[j].to),
                                         0);
                }
                CHECK_STR(out.p ? out.p : "", rows[i].changes, "row %zu", i);
        }
}

static void test_hosts_head(void **state) {
        static const struct {
                const char *in;
                bool localhost; /* is added */
        } rows[] = {
                { "", true },
                { "127.0.0.1 localhost\n", false },
                { "127.0.0.1\tme  localhost.x localhost # mine", false },
                { "# 127.0.0.1 localhost\n10.0.0.1 x\n", true },
                { "localhost 1\n", true },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf out = {};
                assert_int_equal(hosts_head(rows[i].in, strlen(rows[i].in), &out), 0);
                CHECK_EQ(out.n % HOSTS_LINE, 0, "row %zu", i);
                CHECK_EQ(out.p[out.n - 1], '\n', "row %zu", i);
                CHECK_EQ(strncmp(out.p, rows[i].in, strlen(rows[i].in)), 0, "row %zu", i);
                CHECK_EQ(strstr(out.p, "\n::1 localhost\n") != NULL, rows[i].localhost, "row %zu",
                         i);
        }
        _cleanup_(buf_done) Buf out = {};
        assert_int_equal(hosts_head("a\0b", 3, &out), 0);
        assert_int_equal(strncmp(out.p, "127.0.0.1 localhost\n", 20), 0);
}

/* What a reader makes of it: the words of each line. */
static char *words_of(int fd) {
        _cleanup_free_ char *text = NULL;
        _cleanup_(buf_done) Buf out = {};
        _cleanup_strv_ char **lines = NULL;

        assert_true(lseek(fd, HOSTS_LINE, SEEK_SET) >= 0);
        assert_int_equal(fd_read_all(fd, 1 << 20, &text, NULL), 0);
        assert_int_equal(str_split(text, "\n", &lines), 0);
        assert_int_equal(buf_puts(&out, ""), 0);
        STRV_FOREACH(line, lines) {
                CHECK_EQ(strlen(*line), HOSTS_LINE - 1, "'%s'", *line);
                assert_int_equal(buf_printf(&out, "%s|", str_strip(*line)), 0);
        }
        return buf_take(&out);
}

static void test_hosts_update(void **state) {
        static const struct {
                const char *lines, *file;
        } rows[] = {
                { "1 a,2 b", "1 a|2 b|" },
                { "1 a,2 b", "1 a|2 b|" },
                { "2 b", "|2 b|" },
                { "2 b,3 c", "3 c|2 b|" },
                { "4 d,2 b,3 c", "3 c|2 b|4 d|" },
                { "", "|||" },
                { "5 e,6 f,7 g,8 h", "5 e|6 f|7 g|8 h|" },
        };
        _cleanup_fd_ int fd = memfd_create("hosts", MFD_CLOEXEC);
        char head[HOSTS_LINE];

        (void) state;
        memset(head, '\n', sizeof head);
        assert_int_equal(write(fd, head, sizeof head), sizeof head);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_strv_ char **lines = NULL;
                assert_int_equal(str_split(rows[i].lines, ",", &lines), 0);
                assert_int_equal(hosts_update(fd, HOSTS_LINE, lines), 0);
                _cleanup_free_ char *file = words_of(fd);
                CHECK_STR(file, rows[i].file, "row %zu", i);
        }
        assert_int_equal(hosts_update(fd, 100, NULL), -EINVAL);
}

static void test_hosts_lines(void **state) {
        _cleanup_(member_list_done) MemberList l = two_machines();
        static const char *const wanted[] = { "10.200.0.7 web www,fd00::7 web www,10.200.0.1"
                                              " _gateway box,10.200.0.9 db",
                                              "10.200.0.9 db,10.200.0.7 web www,fd00::7 web www" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                _cleanup_strv_ char **lines = NULL;
                assert_int_equal(hosts_lines(&l, l.v + i, "box", &lines), 0);
                _cleanup_free_ char *text = strv_join(lines, ",");
                CHECK_STR(text, wanted[i], "machine %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_record),       cmocka_unit_test(test_nat),
                cmocka_unit_test(test_forwarding),   cmocka_unit_test(test_hosts_head),
                cmocka_unit_test(test_hosts_update), cmocka_unit_test(test_hosts_lines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
