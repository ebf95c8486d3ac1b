/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where cgroupsPath leads. */
#include "spawn/oci-cgroup.h"

#include "check.h"

static void test_path(void **state) {
        static const struct {
                const char *where, *own, *want;
        } rows[] = {
                { "/libpod_parent/libpod-1", "/user.slice/a", "/libpod_parent/libpod-1" },
                { "//a///b/", "/", "/a/b" },
                { "a/b", "/user.slice/x.scope", "/user.slice/a/b" },
                { NULL, "/user.slice/x.scope", "/user.slice/box" },
                { "", "/x", "/box" },
                { "", "/", "/box" },
                { "..", "/x", NULL },
                { "/a/../../b", "/x", NULL },
                { "./a", "/x", NULL },
                { "/", "/x", NULL },
                { "///", "/x", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *got = NULL;
                Error e = {};
                int r = oci_cgroup_path(rows[i].where, "box", rows[i].own, &got, &e);

                CHECK_EQ(r, rows[i].want ? 0 : -EINVAL, "row %zu %s", i, e.text);
                CHECK_STR(got, rows[i].want, "row %zu", i);
        }
}

static void test_scope(void **state) {
        static const struct {
                const char *where, *slice, *scope;
        } rows[] = {
                { "machine.slice:libpod:0123", "machine.slice", "libpod-0123.scope" },
                { "machine.slice::0123", "machine.slice", "0123.scope" },
                { ":crio:x", "system.slice", "crio-x.scope" },
                { "a-b.slice:p:", "a-b.slice", "p-box.scope" },
                { "", "system.slice", "box.scope" },
                { NULL, "system.slice", "box.scope" },
                { "/machine.slice/x", NULL, NULL },
                { "machine.slice:x", NULL, NULL },
                { "a:b:c:d", NULL, NULL },
                { "machine:b:c", NULL, NULL },
                { "a.slice:b:c/d", NULL, NULL },
                { "../a.slice:b:c", NULL, NULL },
                { ".slice:b:c", NULL, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *slice = NULL, *scope = NULL;
                Error e = {};
                int r = oci_cgroup_scope(rows[i].where, "box", &slice, &scope, &e);

                CHECK_EQ(r, rows[i].slice ? 0 : -EINVAL, "row %zu %s", i, e.text);
                CHECK_STR(slice, rows[i].slice, "row %zu", i);
                CHECK_STR(scope, rows[i].scope, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path),
                cmocka_unit_test(test_scope),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
