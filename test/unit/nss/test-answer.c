/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nss/answer.h"

#include "check.h"

#define LISTED(addresses) "{\"parameters\":{\"name\":\"web\",\"addresses\":" addresses "}}"
#define V4                "{\"family\":2,\"address\":[10,0,0,1]}"
#define V6                "{\"family\":10,\"address\":[253,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1],\"ifindex\":2}"

static void test_list(void **state) {
        static const struct {
                const char *in;
                int r;
                size_t n;
        } rows[] = {
                { LISTED("[" V4 "," V6 "]"), 0, 2 },
                { LISTED("[ " V4 " , " V4 " ]"), 0, 1 },
                { " {\"continues\":false,\"parameters\" : {\"addresses\":[" V4
                  "],\"name\":\"WEB\"}} ",
                  0, 1 },
                { LISTED("[]"), ANSWER_NONE, 0 },
                { LISTED("null"), ANSWER_NONE, 0 },
                { "{\"parameters\":{\"name\":\"web\"}}", ANSWER_NONE, 0 },
                { "{}", ANSWER_NONE, 0 },
                { LISTED("[{\"family\":3,\"address\":[1]}," V4 "]"), 0, 1 },
                { LISTED("[{\"family\":2,\"address\":[0,0,0,0]}]"), ANSWER_NONE, 0 },
                { LISTED("[{\"family\":2}]"), -EBADMSG, 0 },
                { LISTED("[{\"address\":[10,0,0,1]}]"), -EBADMSG, 0 },
                { LISTED("[{\"family\":2,\"address\":\"10.0.0.1\"}]"), -EBADMSG, 0 },
                { LISTED("[7]"), -EBADMSG, 0 },
                { LISTED("7"), -EBADMSG, 0 },
                { "{\"parameters\":{\"name\":\"other\",\"addresses\":[" V4 "]}}", -EBADMSG, 0 },
                { "{\"parameters\":{\"addresses\":[" V4 "]}}", -EBADMSG, 0 },
                { "{\"error\":\"io.systemd.Machine.NoSuchMachine\"}", ANSWER_NONE, 0 },
                { "{\"error\":\"org.varlink.service.PermissionDenied\"}", -EPROTO, 0 },
                { "{\"error\":null,\"parameters\":{\"name\":\"web\",\"addresses\":[" V4 "]}}", 0,
                  1 },
                { "", -EBADMSG, 0 },
                { "{", -EBADMSG, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                HostAddresses all = {};

                CHECK_EQ(answer_list(rows[i].in, "web", &all), rows[i].r, "row %zu", i);
                CHECK_EQ(all.n, rows[i].n, "row %zu", i);
        }
}

static void test_record(void **state) {
        /* web A 10.0.0.1; web AAAA fd00::1 */
        static const char
                both[] = "{\"parameters\":{\"rcode\":0,\"answer\":["
                         "{\"raw\":\"A3dlYgAAAQABAAAAAAAECgAAAQ==\"},"
                         "{\"rr\":{},\"raw\":\"A1dlYgAAHAABAAAAAAAQ/QAAAAAAAAAAAAAAAAAAAQ\"}]}}";
        HostAddresses all = {};
        Ip ip;

        assert_int_equal(answer_record(both, "web", &all), 0);
        assert_int_equal(all.n, 2);
        assert_int_equal(ip_parse("10.0.0.1", &ip), 0);
        assert_true(ip_equal(&all.v[0].ip, &ip));
        assert_int_equal(ip_parse("fd00::1", &ip), 0);
        assert_true(ip_equal(&all.v[1].ip, &ip));

        /* Of another name than was asked for, in both directions. */
        assert_int_equal(answer_record(both, "webs", &all), ANSWER_NONE);
        assert_int_equal(answer_record(both, "we", &all), ANSWER_NONE);
        assert_int_equal(answer_record(both, "web.sub", &all), ANSWER_NONE);
        assert_int_equal(answer_record("{\"parameters\":{}}", "web", &all), ANSWER_NONE);
        assert_int_equal(answer_record("{\"parameters\":{\"rcode\":3}}", "web", &all), ANSWER_NONE);
        assert_int_equal(answer_record("{\"parameters\":{\"rcode\":-1}}", "web", &all), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_record),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
