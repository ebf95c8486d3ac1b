/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and addresses of interfaces, and who made them. */
#include "net/link.h"
#include "net/maker.h"

#include <unistd.h>

#include "check.h"

static void test_names(void **state) {
        static const struct {
                const char *name;
                bool as_name, as_altname;
        } rows[] = {
                { "eth0", true, true },
                { "fifteen-is-okay", true, true },
                { "sixteen-is-too-1", false, true },
                { "a@b.c_d", true, true },
                { "", false, false },
                { ".", false, false },
                { "..", false, false },
                { "all", false, false },
                { "default", false, false },
                { "17", false, false },
                { "17a", true, true },
                { "a/b", false, false },
                { "a:b", false, false },
                { "a b", false, false },
                { "a\tb", false, false },
                { "a\n", false, false },
                { "eth%d", false, false },
                { "\303\244", false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_EQ(link_name_is_valid(rows[i].name, IFNAMSIZ), rows[i].as_name, "row %zu", i);
                CHECK_EQ(link_name_is_valid(rows[i].name, LINK_ALTNAME_MAX), rows[i].as_altname,
                         "row %zu", i);
        }
}

static void test_macs(void **state) {
        static const struct {
                const char *text;
                int result;
        } rows[] = {
                { "02:00:5e:10:00:fF", 0 },
                { "2:0:5e:10:0:ff", -EINVAL },
                { "02-00-5e-10-00-ff", -EINVAL },
                { "02:00:5e:10:00:ff:", -EINVAL },
                { "02:00:5e:10:00:f", -EINVAL },
                { "02:00:5e:10:00:fg", -EINVAL },
                { "02:00:5e:10:00: f", -EINVAL },
                { "02:00:5e:10:00:+f", -EINVAL },
                { "", -EINVAL },
        };
        static const uint8_t expected[LINK_MAC_SIZE] = { 2, 0, 0x5e, 0x10, 0, 0xff };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t mac[LINK_MAC_SIZE] = {};
                char text[LINK_MAC_TEXT_MAX];

                CHECK_EQ(link_mac_parse(rows[i].text, mac), rows[i].result, "row %zu", i);
                if (rows[i].result < 0)
                        continue;
                assert_memory_equal(mac, expected, sizeof mac);
                assert_string_equal(link_mac_format(mac, text), "02:00:5e:10:00:ff");
        }
}

static void test_makers(void **state) {
        char own[MAKER_MAX], other[MAKER_MAX];

        assert_int_equal(maker_sign(own), 0);
        assert_false(maker_is_dead(own));
        /* The same PID at another time, and one that there cannot be. */
        (void) snprintf(other, sizeof other, "skep %d 1", getpid());
        assert_true(maker_is_dead(other));
        assert_true(maker_is_dead("skep 4194304 1"));
        assert_false(maker_is_dead(""));
        assert_false(maker_is_dead("skep"));
        assert_false(maker_is_dead("skep zone"));
        assert_false(maker_is_dead("skep 0 1"));
        assert_false(maker_is_dead("skep 4194304 x"));
        assert_false(maker_is_dead("somebody 4194304 1"));
        assert_false(maker_is_dead("skep 4194304 1 2"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_macs),
                cmocka_unit_test(test_makers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
