/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits, CPUs and personality: what values mean. */
#include <elf.h>
#include <sys/personality.h>

#include "check.h"
#include "spawn/spec-settings.h"

static void test_limit_values(void **state) {
        static const struct {
                int resource;
                const char *value;
                rlim_t soft, hard;
        } rows[] = {
                { RLIMIT_NOFILE, "5", 5, 5 },
                { RLIMIT_NOFILE, "5:infinity", 5, RLIM_INFINITY },
                { RLIMIT_NOFILE, "infinity", RLIM_INFINITY, RLIM_INFINITY },
                { RLIMIT_CORE, "1K:2M", 1024, 2 << 20 },
                { RLIMIT_CPU, "90", 90, 90 },
                { RLIMIT_CPU, "2min", 120, 120 },
                { RLIMIT_CPU, "100ms:1.5s", 1, 2 },
                { RLIMIT_RTTIME, "90", 90, 90 },
                { RLIMIT_RTTIME, "2s", 2000000, 2000000 },
                { RLIMIT_NICE, "-20", 40, 40 },
                { RLIMIT_NICE, "+19", 1, 1 },
                { RLIMIT_NICE, "17", 17, 17 },
                { RLIMIT_NICE, "0:-5", 0, 25 },
        };
        static const struct {
                int resource;
                const char *value;
        } bad[] = {
                { RLIMIT_NOFILE, "" },    { RLIMIT_NOFILE, "1K" },    { RLIMIT_NOFILE, "5:" },
                { RLIMIT_NOFILE, "5:4" }, { RLIMIT_NOFILE, ":5" },    { RLIMIT_NOFILE, "1:2:3" },
                { RLIMIT_NOFILE, "-1" },  { RLIMIT_NICE, "-21" },     { RLIMIT_NICE, "+20" },
                { RLIMIT_NICE, "41" },    { RLIMIT_CPU, "5 parsec" }, { RLIMIT_CORE, "1X" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Limit l = {};

                CHECK_EQ(limit_parse(rows[i].resource, rows[i].value, &l, NULL), 0, "row %zu", i);
                CHECK_EQ(l.soft, rows[i].soft, "row %zu %s", i, rows[i].value);
                CHECK_EQ(l.hard, rows[i].hard, "row %zu %s", i, rows[i].value);
                CHECK_EQ(l.given, true, "row %zu", i);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Limit l = {};

                CHECK_EQ(limit_parse(bad[i].resource, bad[i].value, &l, NULL) < 0, true,
                         "bad %zu '%s'", i, bad[i].value);
                CHECK_EQ(l.given, false, "bad %zu", i);
        }
}

static void test_limit_names(void **state) {
        for (int i = 0; i < LIMITS_MAX; i++)
                CHECK_EQ(limit_find(limit_name(i)), i, "%d", i);
        assert_int_equal(limit_find("rlimit_nofile"), RLIMIT_NOFILE);
        assert_int_equal(limit_find("RLIMIT_"), -EINVAL);
        assert_int_equal(limit_find("FILES"), -EINVAL);
}

/* Every limit has a key, and the row of that key fills this limit. */
static void test_limit_keys(void **state) {
        size_t n, found = 0;
        const Setting *rows = spec_settings(&n);

        for (size_t i = 0; i < n; i++) {
                if (rows[i].parse != limit_setting)
                        continue;
                int resource = limit_find(rows[i].key + strlen("Limit"));
                CHECK_EQ(rows[i].at, offsetof(SpecCommand, spec.limits) + sizeof(Limit) * resource,
                         "%s", rows[i].key);
                CHECK_EQ(rows[i].trust, TRUST_NEEDED, "%s", rows[i].key);
                found++;
        }
        assert_int_equal(found, LIMITS_MAX);
}

static void test_cpus(void **state) {
        static const struct {
                const char *text;
                uint64_t first, second; /* words; UINT64_MAX in both = refused */
        } rows[] = {
                { "0", 1, 0 },
                { "0-3", 0xf, 0 },
                { "0,2  5-6", 0x65, 0 },
                { "64", 0, 1 },
                { "63-64", 1ULL << 63, 1 },
                { "a", ~0ULL, ~0ULL },
                { "1-", ~0ULL, ~0ULL },
                { "-1", ~0ULL, ~0ULL },
                { "3-1", ~0ULL, ~0ULL },
                { "8192", ~0ULL, ~0ULL },
                { "0-99999999", ~0ULL, ~0ULL },
                { "1-2-3", ~0ULL, ~0ULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CpuSet set = {};
                bool bad = rows[i].first == UINT64_MAX;

                CHECK_EQ(cpu_set_parse(rows[i].text, &set, NULL) < 0, bad, "row %zu", i);
                if (!bad)
                        CHECK_EQ(set.words[0] == rows[i].first && set.words[1] == rows[i].second,
                                 true, "row %zu", i);
        }
}

static void test_elf(void **state) {
        Elf32_Ehdr h = { .e_ident = ELFMAG, .e_machine = EM_386 };
        char script[64] = "#!/bin/sh\n";

        h.e_ident[EI_CLASS] = ELFCLASS32;
#ifdef __x86_64__
        assert_int_equal(resource_elf_personality(&h, sizeof h), PER_LINUX32);
#endif
        assert_int_equal(resource_elf_personality(&h, sizeof h - 1), PERSONALITY_UNSET);
        h.e_machine = EM_VAX;
        assert_int_equal(resource_elf_personality(&h, sizeof h), PERSONALITY_UNSET);
        h.e_machine = EM_386;
        h.e_ident[EI_CLASS] = ELFCLASS64;
        assert_int_equal(resource_elf_personality(&h, sizeof h), PERSONALITY_UNSET);
        assert_int_equal(resource_elf_personality(script, sizeof script), PERSONALITY_UNSET);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_limit_values), cmocka_unit_test(test_limit_names),
                cmocka_unit_test(test_limit_keys),   cmocka_unit_test(test_cpus),
                cmocka_unit_test(test_elf),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
