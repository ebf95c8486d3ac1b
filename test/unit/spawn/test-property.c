/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of a scope, from text to what goes over the bus. */
#include "spawn/property.h"

#include "check.h"

static void test_numbers(void **state) {
        static const struct {
                const char *text, *name;
                int type;
                uint64_t number;
        } rows[] = {
                { "MemoryMax=1G", "MemoryMax", PROPERTY_U64, 1 << 30 },
                { "MemoryMax=infinity", "MemoryMax", PROPERTY_U64, UINT64_MAX },
                { "MemoryMax=50%", "MemoryMaxScale", PROPERTY_U32, UINT32_MAX / 2 },
                { "MemoryHigh=12.5%", "MemoryHighScale", PROPERTY_U32, UINT32_MAX / 8 },
                { "TasksMax=100", "TasksMax", PROPERTY_U64, 100 },
                { "CPUQuota=20%", "CPUQuotaPerSecUSec", PROPERTY_U64, 200000 },
                { "CPUQuota=250%", "CPUQuotaPerSecUSec", PROPERTY_U64, 2500000 },
                { "CPUQuota=", "CPUQuotaPerSecUSec", PROPERTY_U64, UINT64_MAX },
                { "CPUWeight=7", "CPUWeight", PROPERTY_U64, 7 },
                { "CPUWeight=idle", "CPUWeight", PROPERTY_U64, 0 },
                { "IOWeight=10000", "IOWeight", PROPERTY_U64, 10000 },
                { "TimeoutStopSec=1min 3s", "TimeoutStopUSec", PROPERTY_U64, 63000000 },
                { "KillSignal=SIGTERM", "KillSignal", PROPERTY_I32, 15 },
                { "MemoryAccounting=yes", "MemoryAccounting", PROPERTY_BOOL, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Property p = {};
                Error e = {};

                CHECK_EQ(property_parse(rows[i].text, &p, &e), 0, "row %zu %s", i, e.text);
                CHECK_STR(p.name, rows[i].name, "row %zu", i);
                CHECK_EQ(p.type, rows[i].type, "row %zu", i);
                CHECK_EQ(p.number, rows[i].number, "row %zu", i);
                property_done(&p);
        }
}

static void test_texts(void **state) {
        Property p = {};

        assert_int_equal(property_parse("DeviceAllow=/dev/fuse rw", &p, NULL), 0);
        assert_string_equal(p.text, "/dev/fuse");
        assert_string_equal(p.second, "rw");
        property_done(&p);

        assert_int_equal(property_parse("DeviceAllow=char-pts", &p, NULL), 0);
        assert_string_equal(p.second, "rwm");
        property_done(&p);

        assert_int_equal(property_parse("IOReadBandwidthMax=/dev/vda 1M", &p, NULL), 0);
        assert_string_equal(p.text, "/dev/vda");
        assert_int_equal(p.number, 1 << 20);
        property_done(&p);

        assert_int_equal(property_parse("AllowedCPUs=0-2,9", &p, NULL), 0);
        assert_int_equal(p.n_bytes, 2);
        assert_int_equal(p.bytes[0], 7);
        assert_int_equal(p.bytes[1], 2);
        property_done(&p);

        assert_int_equal(property_parse("After=a.service 'b c.service'", &p, NULL), 0);
        assert_int_equal(strv_length(p.words), 2);
        property_done(&p);
}

static void test_refused(void **state) {
        static const struct {
                const char *text;
                int error;
        } rows[] = {
                { "", -EINVAL },
                { "MemoryMax", -EINVAL },
                { "=1", -EINVAL },
                { "Nonsense=1", -EOPNOTSUPP },
                { "MemoryMax=lots", -EINVAL },
                { "MemoryMax=101%", -EINVAL },
                { "CPUQuota=20", -EINVAL },
                { "CPUQuota=0%", -EINVAL },
                { "CPUWeight=0", -EINVAL },
                { "IOWeight=idle", -EINVAL },
                { "DeviceAllow=/dev/fuse rwx", -EINVAL },
                { "DeviceAllow=fuse", -EINVAL },
                { "AllowedCPUs=3-1", -EINVAL },
                { "AllowedCPUs=99999999", -EINVAL },
                { "IOReadBandwidthMax=/dev/vda", -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Error e = {};

                CHECK_EQ(property_check(rows[i].text, &e), rows[i].error, "row %zu %s", i, e.text);
                assert_true(e.text[0]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_texts),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
