/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "machined/bind.h"

static void test_record_is_read_back(void **state) {
        const BindRecord r = { .source = (char *) "/a \"b\"\n\\",
                               .destination = (char *) "/ü",
                               .read_only = true,
                               .mount_id = 77,
                               .unique_id = UINT64_C(1) << 40,
                               .realtime = 5,
                               .leader = 4711,
                               .started = 99 };
        _cleanup_(bind_record_done) BindRecord back = {};
        _cleanup_(buf_done) Buf text = {};

        CHECK_EQ(bind_record_format(&r, &text), 0, "format");
        CHECK_EQ(bind_record_parse(text.p, &back), 0, "%s", text.p);
        CHECK_STR(back.source, r.source, "source");
        CHECK_STR(back.destination, r.destination, "destination");
        assert_true(back.read_only && !back.is_mapped);
        assert_true(back.mount_id == 77 && back.unique_id == r.unique_id && back.realtime == 5 &&
                    back.leader == 4711 && back.started == 99);
}

static void test_no_records(void **state) {
        static const char *const texts[] = {
                "",
                "{}",
                "{\"source\":\"/a\"",
                "{\"source\":\"a\",\"destination\":\"/b\",\"readOnly\":true,\"mapped\":true,"
                "\"mountId\":1,\"uniqueId\":1,\"realtime\":1,\"leader\":1,\"started\":1}",
                "{\"source\":\"/a\",\"destination\":\"/b/../c\",\"readOnly\":true,\"mapped\":true,"
                "\"mountId\":1,\"uniqueId\":1,\"realtime\":1,\"leader\":1,\"started\":1}",
                "{\"source\":\"/a\",\"destination\":\"/b\",\"readOnly\":1,\"mapped\":true,"
                "\"mountId\":1,\"uniqueId\":1,\"realtime\":1,\"leader\":1,\"started\":1}",
                "{\"source\":\"/a\",\"destination\":\"/b\",\"readOnly\":true,\"mapped\":true,"
                "\"mountId\":-1,\"uniqueId\":1,\"realtime\":1,\"leader\":1,\"started\":1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                BindRecord r = {};
                CHECK_EQ(bind_record_parse(texts[i], &r), -EINVAL, "row %zu", i);
        }
}

static void test_place_of_a_mount(void **state) {
        static const char mountinfo[] = "22 1 0:20 / / rw - tmpfs x rw\n"
                                        "122 22 0:20 / /wrong rw - tmpfs x rw\n"
                                        "5 22 0:21 /x /srv/a\\040b\\134 ro shared:1 - ext4 y rw\n"
                                        "7 22 0:21 /last";
        static const struct {
                uint64_t id;
                const char *place;
        } cases[] = { { 22, "/" }, { 5, "/srv/a b\\" }, { 2, NULL }, { 7, NULL }, { 1, NULL } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *place = NULL;
                int r = bind_find_mount(mountinfo, cases[i].id, &place);

                CHECK_EQ(r, cases[i].place ? 0 : -ENOENT, "row %zu", i);
                CHECK_STR(place, cases[i].place, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_record_is_read_back),
                cmocka_unit_test(test_no_records),
                cmocka_unit_test(test_place_of_a_mount),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
