/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of partitions: what is accepted as one, and which partition is found for a purpose. */
#include "image/dissection.h"

#include "check.h"

#define NOTHING   "00000000-0000-0000-0000-000000000000"
#define ID        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define TABLE     "table gpt 512 4096\n"
#define SIGNATURE TABLE "partition 3 root-verity-sig 1024 512 - - " ID " " ID " -\nsignature"

static void test_parse(void **state) {
        static const struct {
                const char *text;
                const char *problem; /* in the error; NULL = accepted */
        } cases[] = {
                { TABLE, NULL },
                { "table none 4096 1\n", NULL },
                { TABLE "partition 1 root 0 4096 - ext4 " ID " " ID " label\n", NULL },
                { TABLE "partition 1 root 1 4095 read-only,growfs - " ID " " ID " a\\x20b\n",
                  NULL },
                { SIGNATURE " 00112233445566778899aabbccddeeff 3082\n", NULL },
                { SIGNATURE " 00112233445566778899aabbccddeef 3082\n", "line 3" },
                { SIGNATURE " 00112233445566778899aabbccddeeff 308\n", "line 3" },
                { SIGNATURE " 00112233445566778899aabbccddeeff 30 82\n", "line 3" },
                { SIGNATURE " 00112233445566778899aabbccddeeff 30\nsignature"
                            " 00112233445566778899aabbccddeeff 30\n",
                  "line 4" },
                { TABLE "signature 00112233445566778899aabbccddeeff 3082\n", "line 2" },
                { TABLE "partition 1 root 0 1 - ext4 " ID " " ID " -\nsignature"
                        " 00112233445566778899aabbccddeeff 3082\n",
                  "line 3" },
                { "", "cut" },
                { "table gpt 512 4096", "cut" },
                { "table gpt 512 4096\n\n", "line 2" },
                { "table apm 512 4096\n", "line 1" },
                { "table gpt 256 4096\n", "line 1" },
                { "table gpt 1000 4096\n", "line 1" },
                { "table gpt 512 0\n", "line 1" },
                { "table gpt 512 9223372036854775808\n", "line 1" },
                { TABLE TABLE, "line 2" },
                { TABLE "partition 1 root 1 4096 - ext4 " ID " " ID " -\n", "line 2" },
                { TABLE "partition 1 root 4097 1 - ext4 " ID " " ID " -\n", "line 2" },
                { TABLE "partition 1 root 4096 0 - ext4 " ID " " ID " -\n", "line 2" },
                { TABLE "partition 1 rooot 0 1 - ext4 " ID " " ID " -\n", "line 2" },
                { TABLE "partition 1 root 0 1 fast ext4 " ID " " ID " -\n", "line 2" },
                { TABLE "partition 1 root 0 1 - ../ext4 " ID " " ID " -\n", "line 2" },
                { TABLE "partition 1 root 0 1 - ext4 " ID " x -\n", "line 2" },
                { TABLE "partition 1 root 0 1 - ext4 " ID " " ID " a\\nb\n", "line 2" },
                { TABLE "partition 1 root 0 1 - ext4 " ID " " ID " \xff\n", "line 2" },
                { TABLE "partition 1 root 0 1 - ext4 " ID " " ID " -", "cut" },
                { TABLE "partition 1 root 0 1 - ext4 " ID " " ID " - -\n", "line 2" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(dissection_done) Dissection d = {};
                Error e = {};
                int r = dissection_parse(cases[i].text, strlen(cases[i].text), &d, &e);

                CHECK_EQ(r, cases[i].problem ? -EBADMSG : 0, "row %zu: %s", i, e.text);
                if (cases[i].problem && !strstr(e.text, cases[i].problem))
                        fail_msg("row %zu: '%s' says nothing of '%s'", i, e.text, cases[i].problem);
        }
}

static void test_round_trip(void **state) {
        _cleanup_(dissection_done) Dissection a = { .table = PARTITION_TABLE_GPT,
                                                    .sector_size = 512,
                                                    .size = 1 << 20 };
        _cleanup_(dissection_done) Dissection b = {};
        _cleanup_(buf_done) Buf text = {};
        static const char *const labels[] = { "", "-", "a b", "back\\slash", "d\xc3\xa9j\xc3\xa0" };
        Error e = {};

        for (size_t i = 0; i < ELEMENTSOF(labels); i++) {
                Partition p = { .designator = PARTITION_USR_VERITY_SIG,
                                .flags = _PARTITION_FLAGS_ALL,
                                .number = 7,
                                .offset = 4096,
                                .size = 512,
                                .fstype = "crypto_LUKS" };
                assert_int_equal(id128_parse(ID, &p.uuid), 0);
                (void) snprintf(p.label, sizeof p.label, "%s", labels[i]);
                assert_int_equal(dissection_add(&a, &p), 0);
        }
        assert_int_equal(dissection_format(&a, &text), 0);
        CHECK_EQ(dissection_parse(text.p, text.n, &b, &e), 0, "%s", e.text);
        CHECK_EQ(a.n, b.n, "number");
        for (size_t i = 0; i < b.n; i++) {
                CHECK_STR(b.partitions[i].label, labels[i], "row %zu", i);
                CHECK_STR(b.partitions[i].fstype, "crypto_LUKS", "row %zu", i);
                CHECK_EQ(b.partitions[i].flags, _PARTITION_FLAGS_ALL, "row %zu", i);
                assert_true(id128_equal(&a.partitions[i].uuid, &b.partitions[i].uuid));
        }
        for (size_t i = b.n; i < PARTITIONS_MAX; i++)
                assert_int_equal(dissection_add(&a, &b.partitions[0]), 0);
        assert_int_equal(dissection_add(&a, &b.partitions[0]), -E2BIG);
}

static void test_find(void **state) {
        static const struct {
                PartitionDesignator list[3];
                PartitionFlags flags[3];
                PartitionDesignator which;
                int r;
                unsigned number;
        } cases[] = {
                { { PARTITION_ESP, PARTITION_ROOT }, {}, PARTITION_ROOT, 1, 2 },
                { { PARTITION_ESP, PARTITION_USR }, {}, PARTITION_ROOT, 0, 0 },
                { { PARTITION_ROOT, PARTITION_ROOT }, {}, PARTITION_ROOT, -ENOTUNIQ, 0 },
                { { PARTITION_ROOT, PARTITION_ROOT }, { PARTITION_NO_AUTO }, PARTITION_ROOT, 1, 2 },
                { { PARTITION_ROOT, PARTITION_ROOT },
                  { PARTITION_SECONDARY },
                  PARTITION_ROOT,
                  1,
                  2 },
                { { PARTITION_HOME, PARTITION_ROOT },
                  { 0, PARTITION_SECONDARY },
                  PARTITION_ROOT,
                  1,
                  2 },
                { { PARTITION_GENERIC, PARTITION_ESP }, {}, PARTITION_ROOT, 1, 1 },
                { { PARTITION_GENERIC, PARTITION_ROOT }, {}, PARTITION_ROOT, 1, 2 },
                { { PARTITION_GENERIC, PARTITION_GENERIC }, {}, PARTITION_ROOT, -ENOTUNIQ, 0 },
                { { PARTITION_GENERIC, PARTITION_GENERIC }, {}, PARTITION_USR, 0, 0 },
                { { PARTITION_OTHER, PARTITION_OTHER }, {}, PARTITION_ROOT, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(dissection_done) Dissection d = {};
                const Partition *found = NULL;
                Error e = {};

                for (unsigned j = 0; j < 2; j++)
                        assert_int_equal(
                                dissection_add(&d, &(Partition){ .designator = cases[i].list[j],
                                                                 .flags = cases[i].flags[j],
                                                                 .number = j + 1 }),
                                0);
                CHECK_EQ(dissection_find(&d, cases[i].which, &found, &e), cases[i].r, "row %zu", i);
                if (cases[i].r == 1)
                        CHECK_EQ(found->number, cases[i].number, "row %zu", i);
                else
                        assert_null(found);
                if (cases[i].r < 0)
                        assert_non_null(strstr(e.text, "partitions 1 and 2"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_find),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
