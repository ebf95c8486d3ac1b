/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of containers: what is kept, what is told, and which names are ones. */
#include "check.h"

#include "oci/state.h"

static OciState example(void) {
        static const char text[] =
                "{\"ociVersion\":\"1.0.2\",\"id\":\"web\",\"bundle\":\"/b\",\"rootfs\":\"/b/r\","
                "\"created\":\"2026-01-31T12:00:00Z\",\"owner\":\"root\",\"annotations\":{\"k\":\"v\\\"\"},"
                "\"pid\":7,\"startTime\":9,\"bootId\":\"x\",\"cgroup\":\"/g\",\"made\":true}";
        OciState s = {};
        Error e = {};

        if (oci_state_parse(text, &s, &e) < 0)
                print_error("%s\n", e.text);
        assert_non_null(s.id);
        return s;
}

static void test_told(void **state) {
        _cleanup_(oci_state_done) OciState s = example();
        _cleanup_(buf_done) Buf out = {};

        (void) state;
        assert_true(oci_state_format(&s, OCI_STATUS_RUNNING, true, &out) >= 0);
        assert_string_equal(out.p, "{\n  \"ociVersion\": \"1.0.2\",\n  \"id\": \"web\",\n"
                                   "  \"pid\": 7,\n  \"status\": \"running\",\n"
                                   "  \"bundle\": \"/b\",\n  \"rootfs\": \"/b/r\",\n"
                                   "  \"created\": \"2026-01-31T12:00:00Z\",\n"
                                   "  \"owner\": \"root\",\n"
                                   "  \"annotations\": {\"k\": \"v\\\"\"}\n}");
        buf_done(&out);
        assert_true(oci_state_for_hooks(&s, OCI_STATUS_STOPPED, &out) >= 0);
        assert_string_equal(out.p, "{\"ociVersion\":\"1.0.2\",\"id\":\"web\",\"pid\":0,"
                                   "\"status\":\"stopped\",\"bundle\":\"/b\","
                                   "\"annotations\":{\"k\":\"v\\\"\"}}");
}

static void test_kept(void **state) {
        _cleanup_(oci_state_done) OciState s = example(), again = {};
        _cleanup_(buf_done) Buf text = {};

        (void) state;
        assert_true(oci_state_write(&s, &text) >= 0);
        assert_true(oci_state_parse(text.p, &again, NULL) >= 0);
        assert_true(again.is_made);
        assert_int_equal(again.pid.value, 7);
        assert_string_equal(again.cgroup, "/g");
        assert_string_equal(json_pairs_get(&again.annotations, "k"), "v\"");
}

static void test_refused(void **state) {
        static const char *const texts[] = {
                "",
                "{}",
                "{\"ociVersion\":\"1\",\"id\":\"../x\",\"bundle\":\"/b\"}",
                "{\"ociVersion\":\"1\",\"id\":\"x\",\"bundle\":\"/b\",\"pid\":-1}",
                "{\"ociVersion\":\"1\",\"id\":\"x\",\"bundle\":\"/b\",\"pid\":0}",
                "{\"ociVersion\":\"1\",\"id\":\"x\",\"bundle\":\"/b\",\"cgroup\":\"/\"}",
                "{\"ociVersion\":\"1\",\"id\":\"x\",\"bundle\":\"/b\",\"cgroup\":\"/a/../..\"}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                OciState s = {};
                Error e = {};
                CHECK_EQ(oci_state_parse(texts[i], &s, &e), -EINVAL, "'%s'", texts[i]);
                assert_true(*e.text);
                oci_state_done(&s);
        }
}

static void test_ids(void **state) {
        char longest[257] = {};
        const struct {
                const char *id;
                bool ok;
        } rows[] = {
                { "a", true },    { "A_b+c-d.e9", true }, { "", false },      { ".", false },
                { "..", false },  { "...", true },        { "a/b", false },   { "../x", false },
                { "a b", false }, { "\xc3\xa4", false },  { longest, false }, { longest + 1, true },
        };

        (void) state;
        (void) memset(longest, 'x', 256);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_EQ(oci_id_is_valid(rows[i].id), rows[i].ok, "'%s'", rows[i].id);
}

static void test_time(void **state) {
        char buffer[OCI_TIME_MAX];

        (void) state;
        assert_string_equal(oci_time_format(UINT64_C(1769860800123456), buffer),
                            "2026-01-31T12:00:00.123456000Z");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_told),    cmocka_unit_test(test_kept),
                cmocka_unit_test(test_refused), cmocka_unit_test(test_ids),
                cmocka_unit_test(test_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
