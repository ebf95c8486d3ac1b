/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of system calls and address families: what is accepted can be written and read back, and becomes a
 * program. Lines are values one after the other. */
#include "base/text.h"
#include "fuzz.h"
#include "spawn/seccomp-plan.h"

static void check_calls(const SeccompList *list) {
        _cleanup_(buf_done) Buf allow = {}, deny = {};
        SeccompList again = {};

        assert_se(seccomp_list_format(list, &allow, &deny) == 0);
        assert_se(seccomp_list_parse(deny.p, &again, NULL) == 0);
        if (allow.n > 0)
                assert_se(seccomp_list_parse(allow.p, &again, NULL) == 0);
        assert_se(memcmp(list, &again, sizeof again) == 0);
}

static void check_families(const FamilyList *list) {
        _cleanup_(buf_done) Buf text = {};
        FamilyList again = {};

        assert_se(family_list_format(list, &text) == 0);
        if (list->mode == FAMILIES_ALL)
                return;
        assert_se(family_list_parse(text.p, &again, NULL) == 0);
        assert_se(family_list_allows(list) == family_list_allows(&again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        _cleanup_strv_ char **lines = NULL;
        SeccompList calls = {};
        FamilyList families = {};
        SeccompPlan p;

        if (size > 4096)
                return 0;
        assert_se(text && str_split(text, "\n", &lines) >= 0);
        STRV_FOREACH(line, lines) {
                (void) seccomp_list_parse(*line, &calls, NULL);
                (void) family_list_parse(*line, &families, NULL);
        }
        check_calls(&calls);
        check_families(&families);
        assert_se(seccomp_plan(&(SeccompRequest){ .calls = &calls, .families = families }, &p,
                               NULL) == 0);
        return 0;
}
