/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/property.h"

#include <jansson.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "check.h"

/* A real message, as GetAll would answer: written, sealed and read back. */
static void fill(sd_bus_message *m) {
        static const uint8_t id[] = { 0x0a, 0xff, 0x00 };
        static const int32_t interfaces[] = { 4, 17 };

        assert_true(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "Name", "s", "web\033") >= 0);
        assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(m, "s", "Id") >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', "ay") >= 0);
        assert_true(sd_bus_message_append_array(m, 'y', id, sizeof(id)) >= 0);
        assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "Timestamp", "t",
                                          UINT64_C(1720000000000000)) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "OtherTimestamp", "t", UINT64_C(0)) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "TimestampMonotonic", "t", UINT64_C(0)) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "Service", "s", "") >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "Leader", "u", (uint32_t) 1) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "ReadOnly", "b", 1) >= 0);
        assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(m, "s", "NetworkInterfaces") >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', "ai") >= 0);
        assert_true(sd_bus_message_append_array(m, 'i', interfaces, sizeof(interfaces)) >= 0);
        assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_message_close_container(m) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "Limit", "t", UINT64_MAX) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "Usage", "t", UINT64_MAX) >= 0);
        assert_true(sd_bus_message_append(m, "{sv}", "New", "a{ss}", 1, "k", "v") >= 0);
        assert_true(sd_bus_message_close_container(m) >= 0);
}

static void example(Properties *p) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *bus = NULL;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, pair[0], pair[0]) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        assert_true(sd_bus_message_new_signal(bus, &m, "/x", "x.y", "Z") >= 0);
        fill(m);
        assert_true(sd_bus_message_seal(m, 1, 0) >= 0);
        assert_true(sd_bus_message_rewind(m, true) >= 0);
        assert_int_equal(properties_read(m, p), 0);
        m = sd_bus_message_unref(m);
        sd_bus_close(bus);
        sd_bus_unref(bus);
        (void) fd_close(pair[1]);
}

static void test_text(void **state) {
        static char *const two[] = { (char *) "Leader", (char *) "Service", (char *) "Nope", NULL };
        static const struct {
                PropertyStyle style;
                const char *out;
        } rows[] = {
                { {},
                  "Name=web\\x1b\nId=0aff00\nTimestamp=Wed 2024-07-03 09:46:40 UTC\n"
                  "TimestampMonotonic=0\nLeader=1\nReadOnly=yes\nLimit=infinity\n"
                  "Usage=18446744073709551615\n" },
                { { .all = true },
                  "Name=web\\x1b\nId=0aff00\nTimestamp=Wed 2024-07-03 09:46:40 UTC\n"
                  "OtherTimestamp=\nTimestampMonotonic=0\nService=\nLeader=1\nReadOnly=yes\n"
                  "NetworkInterfaces=4 17\nLimit=infinity\nUsage=18446744073709551615\n"
                  "New=[unprintable]\n" },
                { { .names = two }, "Service=\nLeader=1\n" },
                { { .names = two, .values = true }, "\n1\n" },
        };
        _cleanup_(properties_done) Properties p = {};

        example(&p);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf b = {};

                assert_int_equal(properties_format(&p, &rows[i].style, &b), 0);
                CHECK_STR(b.p, rows[i].out, "row %zu", i);
        }
}

static void test_json(void **state) {
        _cleanup_(properties_done) Properties p = {};

        example(&p);
        for (int pretty = 0; pretty < 2; pretty++) {
                _cleanup_(buf_done) Buf b = {};
                PropertyStyle style = {};

                assert_int_equal(properties_format_json(&p, &style, pretty, &b), 0);
                json_t *j = json_loads(b.p, 0, NULL);
                assert_non_null(j);
                CHECK_EQ(json_object_size(j), 12, "pretty %d", pretty);
                CHECK_STR(json_string_value(json_object_get(j, "Name")), "web\033", "pretty %d",
                          pretty);
                CHECK_EQ(json_array_size(json_object_get(j, "NetworkInterfaces")), 2, "pretty %d",
                         pretty);
                assert_true(json_is_true(json_object_get(j, "ReadOnly")));
                assert_true(json_is_null(json_object_get(j, "Usage")));
                json_decref(j);
        }
}

static void test_get(void **state) {
        _cleanup_(properties_done) Properties p = {};

        example(&p);
        assert_string_equal(properties_text(&p, "Id"), "0aff00");
        assert_null(properties_text(&p, "Service"));
        assert_null(properties_text(&p, "Leader"));
        assert_null(properties_text(&p, "Nope"));
        assert_int_equal(properties_number(&p, "Leader", 5), 1);
        assert_int_equal(properties_number(&p, "Name", 5), 5);
        assert_int_equal(properties_number(&p, "New", 5), 5);
        assert_null(properties_find(&p, "Nope"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_get),
        };

        assert_se(setenv("TZ", "UTC", true) == 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
