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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_record_is_read_back),
                cmocka_unit_test(test_no_records),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
