/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of versions, which of them is best, and images that are folders of them. */
#include "image/versions.h"

#include <sys/utsname.h>

#include "image/pool.h"
#include "scratch.h"

static void test_parse(void **state) {
        static const struct {
                const char *entry, *suffix, *version, *architecture;
                uint64_t left, done;
        } rows[] = {
                { "web_1.2.raw", ".raw", "1.2", NULL, UINT64_MAX, 0 },
                { "web_1.2_x86-64.raw", ".raw", "1.2", "x86-64", UINT64_MAX, 0 },
                { "web_1.2_x86-64+3-1.raw", ".raw", "1.2", "x86-64", 3, 1 },
                { "web_1.2+0", "", "1.2", NULL, 0, 0 },
                { "web_arm64", "", "", "arm64", UINT64_MAX, 0 },
                { "web_1_2", "", "1_2", NULL, UINT64_MAX, 0 },
                { "web_1+git", "", "1+git", NULL, UINT64_MAX, 0 },
                { "web.raw", ".raw" },
                { "web_.raw", ".raw" },
                { "web_1.2", ".raw" },
                { "website_1", "" },
                { "web_1+3-x", "" },
                { "web_+3", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(version_done) Version v = {};

                CHECK_EQ(version_parse(rows[i].entry, "web", rows[i].suffix, &v), !!rows[i].version,
                         "%s", rows[i].entry);
                if (!rows[i].version)
                        continue;
                CHECK_STR(v.version, rows[i].version, "%s", rows[i].entry);
                CHECK_STR(strempty(v.architecture), strempty(rows[i].architecture), "%s",
                          rows[i].entry);
                CHECK_EQ(v.left, rows[i].left, "%s", rows[i].entry);
                CHECK_EQ(v.done, rows[i].done, "%s", rows[i].entry);
        }
}

static void test_order(void **state) {
        /* Each is better than the next. */
        static const char *const rows[] = {
                "web_10",     "web_9",     "web_9~rc2", "web_9~rc1",
                "web_08+3-0", "web_8+2-0", "web_8+2-1", "web_11+0-3",
        };

        for (size_t i = 0; i + 1 < ELEMENTSOF(rows); i++) {
                _cleanup_(version_done) Version a = {}, b = {};

                assert_int_equal(version_parse(rows[i], "web", "", &a), 1);
                assert_int_equal(version_parse(rows[i + 1], "web", "", &b), 1);
                CHECK_EQ(version_is_better(&a, &b), true, "%s %s", rows[i], rows[i + 1]);
                CHECK_EQ(version_is_better(&b, &a), false, "%s %s", rows[i + 1], rows[i]);
        }
}

static void check_image(const char *name, ImageType type, const char *path) {
        _cleanup_image_ Image *i = NULL;

        assert_int_equal(pool_find(name, &i, NULL), 1);
        CHECK_STR(i->path, in_scratch(path), "%s", name);
        CHECK_STR(i->name, name, "%s", path);
        CHECK_EQ(i->type, type, "%s", name);
        assert_true(i->is_versioned);
}

static void test_images(void **state) {
        struct utsname u;
        _cleanup_(image_list_done) ImageList l = {};
        _cleanup_(pool_leftovers_done) PoolLeftovers others = {};

        scratch_dir("web.v/web_1");
        scratch_dir("web.v/web_2");
        scratch_dir("web.v/other_7");
        scratch_file("web.v/web_9", "a file is no tree");
        scratch_dir("disk.raw.v");
        scratch_file("disk.raw.v/disk_9.raw", "x");
        scratch_file("disk.raw.v/disk_10.raw", "x");
        scratch_file("disk.raw.v/disk_11+0-3.raw", "x");
        scratch_dir("stack.mstack.v/stack_1.mstack/layer@0");
        scratch_dir("foreign.v/foreign_1_s390x");
        check_image("web", IMAGE_DIRECTORY, "web.v/web_2");
        check_image("disk", IMAGE_RAW, "disk.raw.v/disk_10.raw");
        check_image("stack", IMAGE_MSTACK, "stack.mstack.v/stack_1.mstack");

        assert_int_equal(uname(&u), 0);
        assert_int_equal(pool_list_explained(&l, &others, NULL), 0);
        assert_int_equal(l.n, streq(u.machine, "s390x") ? 5 : 4);
        if (!streq(u.machine, "s390x")) {
                assert_int_equal(others.n, 1);
                assert_string_equal(others.items[0].path, in_scratch("foreign.v"));
                assert_non_null(strstr(others.items[0].why, "no version in it"));
        }

        /* Beside a plain tree of the same name, the folder does not count. */
        scratch_dir("web");
        _cleanup_image_ Image *plain = NULL;
        assert_int_equal(pool_find("web", &plain, NULL), 1);
        assert_false(plain->is_versioned);
}

/* What is no image, and why. */
static void test_leftovers(void **state) {
        static const struct {
                const char *name, *why;
        } rows[] = {
                { "gone", "a link to nothing" }, { "file.txt", "'.raw'" },
                { "pipe", "neither" },           { "link", "the name of a link" },
                { "both.raw", "goes first" },
        };
        _cleanup_(image_list_done) ImageList l = {};
        _cleanup_(pool_leftovers_done) PoolLeftovers others = {};

        assert_int_equal(symlink("nowhere", in_scratch("gone")), 0);
        scratch_file("file.txt", "x");
        assert_int_equal(mkfifo(in_scratch("pipe"), 0600), 0);
        scratch_dir("away.nspawn.d");
        scratch_file("away.nspawn", "x");
        scratch_file(".#away.lck", "x");
        scratch_dir("both");
        scratch_file("both.raw", "x");
        scratch_file("disk.img", "x");
        assert_int_equal(symlink("disk.img", in_scratch("link")), 0);
        assert_int_equal(symlink("disk.img", in_scratch("named.raw")), 0);

        assert_int_equal(pool_list_explained(&l, &others, NULL), 0);
        assert_int_equal(l.n, 3); /* .host, both, named */
        assert_string_equal(l.items[2]->name, "named");
        assert_string_equal(l.items[2]->path, in_scratch("disk.img"));
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *why = NULL;
                for (size_t k = 0; k < others.n; k++)
                        if (streq(others.items[k].path, in_scratch(rows[i].name)))
                                why = others.items[k].why;
                CHECK_EQ(why && strstr(why, rows[i].why), true, "%s: %s", rows[i].name,
                         strempty(why));
        }
        assert_int_equal(others.n, ELEMENTSOF(rows) + 1); /* and disk.img */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_order),
                cmocka_unit_test_setup_teardown(test_images, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_leftovers, scratch_setup, scratch_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
