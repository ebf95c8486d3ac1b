/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the packet filter is told of a machine's ports, and the records of them. */
#include "check.h"

#include "net/port-record.h"

#define T PORT_RULES_TABLE

static void add(PortList *l, const char *text) {
        Port p;

        assert_int_equal(port_parse(text, &p, NULL), 0);
        assert_int_equal(port_list_add(l, &p, NULL), 0);
}

static void test_elements(void **state) {
        _cleanup_(buf_done) Buf put = {}, drop = {}, shared = {};
        PortList l = {};
        PortTargets t = { .ports = &l, .link = "ve-web" };

        (void) state;
        add(&l, "8080-8081:80-81");
        add(&l, "udp:127.0.0.1:53");
        add(&l, "[::1]:9000:90");
        assert_int_equal(ip_parse("10.0.0.2", t.inside), 0);
        assert_int_equal(port_rules_put(&t, &put), 0);
        assert_string_equal(put.p,
                            "add element " T " links { \"ve-web\" }\n"
                            "add element " T " turns { \"ve-web\" . \"ve-web\" }\n"
                            "add element " T " any4 { 6 . 8080 : 10.0.0.2 . 80,"
                            " 6 . 8081 : 10.0.0.2 . 81 }\n"
                            "add element " T " at4 { 17 . 127.0.0.1 . 53 : 10.0.0.2 . 53 }\n");

        assert_int_equal(ip_parse("fd00::2", t.inside + 1), 0);
        l.n = 3;
        memset(t.inside, 0, sizeof *t.inside);
        assert_int_equal(port_rules_drop(&t, true, &drop), 0);
        assert_string_equal(drop.p, "add element " T " any6 { 6 . 8080 : fd00::2 . 80,"
                                    " 6 . 8081 : fd00::2 . 81 }\n"
                                    "add element " T " at6 { 6 . ::1 . 9000 : fd00::2 . 90 }\n"
                                    "delete element " T " any6 { 6 . 8080, 6 . 8081 }\n"
                                    "delete element " T " at6 { 6 . ::1 . 9000 }\n"
                                    "add element " T " links { \"ve-web\" }\n"
                                    "add element " T " turns { \"ve-web\" . \"ve-web\" }\n"
                                    "delete element " T " links { \"ve-web\" }\n"
                                    "delete element " T " turns { \"ve-web\" . \"ve-web\" }\n");
        assert_int_equal(port_rules_drop(&t, false, &shared), 0);
        assert_null(strstr(shared.p, "links"));
        port_list_done(&l);
}

static void test_link_names(void **state) {
        (void) state;
        assert_true(port_rules_can_name("ve-web.1_x"));
        assert_false(port_rules_can_name(""));
        assert_false(port_rules_can_name("a\" }; flush ruleset"));
        assert_false(port_rules_can_name("br*")); /* a pattern */
}

static void test_record(void **state) {
        static const char text[] = "netns 4026531840\n"
                                   "link br0 shared\n"
                                   "inside 10.0.0.2\n"
                                   "inside fd00::2\n"
                                   "former 10.0.0.3\n"
                                   "port tcp:8080:80\n"
                                   "port udp:127.0.0.1:53\n";
        static const char *const bad[] = { "netns",
                                           "netns x\n",
                                           "link \n",
                                           "link a b\n",
                                           "inside ten\n",
                                           "port 0\n",
                                           "port 80\nport 80\n",
                                           "link 0123456789abcdef\n" };
        _cleanup_(port_record_done) PortRecord p = {};
        _cleanup_(buf_done) Buf out = {};

        (void) state;
        assert_int_equal(port_record_parse(text, &p), 0);
        assert_true(p.link_is_shared);
        assert_int_equal(port_record_format(&p, &out), 0);
        assert_string_equal(out.p, text);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                PortRecord q = {};
                CHECK_EQ(port_record_parse(bad[i], &q), -EBADMSG, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_elements),
                cmocka_unit_test(test_link_names),
                cmocka_unit_test(test_record),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
