/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies beside an image goes where it goes: each of the files, with each type of image. */
#include "image/companion.h"

#include <sys/xattr.h>

#include "image/change.h"
#include "image/clone.h"
#include "image/pool.h"
#include "scratch.h"

/* What others write as well: systemd, and who signs images. */
static const char *const expected[] = {
        ".nspawn",  ".nspawn.d",    ".oci-config", ".roothash",     ".roothash.p7s",
        ".usrhash", ".usrhash.p7s", ".verity",     ".raw.tpmstate", ".raw.efinvramstate",
};

/* These only look as if they belonged to it. */
static const char *const foreign[] = {
        "web2.roothash", "web.roothash.bak", "web.p7s",
        "xweb.nspawn",   "web.raw.roothash", ".web.verity",
};

static const char *const forms[] = { "", ".raw", ".mstack" };

static CompanionKind kind_of(size_t i) {
        CompanionKind kind;

        assert_non_null(companion_suffix(i, &kind));
        return kind;
}

static const char *beside(const char *name, size_t i) {
        static char path[2][128];
        static unsigned next;
        char *p = path[next++ % 2];

        (void) snprintf(p, sizeof(path[0]), "%s%s%s", name, companion_suffix(i, NULL),
                        streq(companion_suffix(i, NULL), ".nspawn.d") ? "/a.conf" : "");
        return p;
}

static void check(const char *name, const char *form, size_t i, bool there) {
        _cleanup_free_ char *text = NULL;

        CHECK_EQ(scratch_has(beside(name, i)), there, "%s with %s", beside(name, i), form);
        if (!there)
                return;
        assert_int_equal(file_read(AT_FDCWD, in_scratch(beside(name, i)), 64, &text, NULL), 0);
        CHECK_STR(text, companion_suffix(i, NULL), "%s with %s", beside(name, i), form);
}

static void make(const char *form) {
        char entry[32];

        (void) snprintf(entry, sizeof(entry), "web%s", form);
        if (streq(form, ".raw"))
                scratch_file(entry, "disk");
        else {
                scratch_dir(entry);
                (void) snprintf(entry, sizeof(entry), "web%s/rw", form);
                scratch_dir(entry);
        }
        for (size_t i = 0; companion_suffix(i, NULL); i++) {
                if (streq(companion_suffix(i, NULL), ".nspawn.d"))
                        scratch_dir("web.nspawn.d");
                scratch_file(beside("web", i), companion_suffix(i, NULL));
        }
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                scratch_file(foreign[i], "x");
}

static Image *get(const char *name) {
        Image *i = NULL;
        Error e = {};

        CHECK_EQ(pool_get(name, &i, &e), 0, "%s: %s", name, e.text);
        return i;
}

static void check_foreign(void) {
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
                CHECK_EQ(scratch_has(foreign[i]), true, "%s", foreign[i]);
        assert_false(scratch_has("new2.roothash") || scratch_has("new.p7s"));
}

static void test_table(void **state) {
        size_t n = 0;

        while (companion_suffix(n, NULL)) {
                char entry[64];

                (void) snprintf(entry, sizeof(entry), "web%s", companion_suffix(n, NULL));
                CHECK_STR(companion_suffix(n, NULL), expected[n], "%zu", n);
                CHECK_EQ(companion_is_one(entry), true, "%s", entry);
                n++;
        }
        assert_int_equal(n, ELEMENTSOF(expected));
        assert_false(companion_is_one("web") || companion_is_one("web.raw") ||
                     companion_is_one("web.roothash.bak"));
}

static void test_all_go_with_it(void **state) {
        Error e = {};

        NEED_ROOT();
        for (size_t f = 0; f < ELEMENTSOF(forms); f++) {
                _cleanup_image_ Image *web = NULL, *new = NULL, *copy = NULL;
                unsigned before;

                make(forms[f]);
                web = get("web");
                before = scratch_count();
                CHECK_EQ(image_rename(web, "new", NULL, &e), 0, "%s: %s", forms[f], e.text);
                for (size_t i = 0; companion_suffix(i, NULL); i++) {
                        check("web", forms[f], i, false);
                        check("new", forms[f], i, true);
                }
                assert_int_equal(scratch_count(), before);
                new = get("new");
                CHECK_EQ(image_clone(new, "copy", 0, &e), 0, "%s: %s", forms[f], e.text);
                for (size_t i = 0; companion_suffix(i, NULL); i++) {
                        check("new", forms[f], i, true);
                        check("copy", forms[f], i, kind_of(i) != COMPANION_STATE);
                }
                CHECK_EQ(image_remove(new, IMAGE_KEEP_SETTINGS, NULL, &e), 0, "%s", e.text);
                for (size_t i = 0; companion_suffix(i, NULL); i++) {
                        check("new", forms[f], i, kind_of(i) == COMPANION_SETTINGS);
                        check("copy", forms[f], i, kind_of(i) != COMPANION_STATE);
                }
                copy = get("copy");
                CHECK_EQ(image_remove(copy, 0, NULL, &e), 0, "%s", e.text);
                for (size_t i = 0; companion_suffix(i, NULL); i++)
                        check("copy", forms[f], i, false);
                check_foreign();
                assert_int_equal(path_remove_tree(AT_FDCWD, scratch), 0);
                assert_int_equal(mkdir(scratch, 0700), 0);
        }
}

/* What is in the original is not what is in a layer on it. */
static void test_layer(void **state) {
        _cleanup_image_ Image *web = NULL;
        Error e = {};

        NEED_ROOT();
        make(".raw");
        assert_int_equal(chmod(in_scratch("web.raw"), 0444), 0);
        web = get("web");
        CHECK_EQ(image_clone(web, "top", IMAGE_CLONE_LAYER, &e), 0, "%s", e.text);
        for (size_t i = 0; companion_suffix(i, NULL); i++)
                check("top", "layer", i, kind_of(i) == COMPANION_SETTINGS);
}

/* Of a folder of versions, what lies beside each version is that one's. */
static void test_versions(void **state) {
        _cleanup_image_ Image *web = NULL, *new = NULL;
        char value[16];
        Error e = {};

        NEED_ROOT();
        scratch_dir("web.raw.v");
        scratch_file("web.nspawn", "[Exec]\n");
        for (unsigned v = 1; v <= 2; v++) {
                char name[64];

                (void) snprintf(name, sizeof(name), "web.raw.v/web_%u.raw", v);
                scratch_file(name, "disk");
                (void) snprintf(name, sizeof(name), "web.raw.v/web_%u.roothash", v);
                scratch_file(name, v == 1 ? "one" : "two");
        }
        /* Where the file system has attributes: in memory since Linux 6.6. */
        const bool attributes = setxattr(in_scratch("web.raw.v/web_2.raw"), "user.verity.usrhash",
                                         "ab", 2, 0) >= 0;
        web = get("web");
        CHECK_EQ(image_clone(web, "copy", 0, &e), 0, "%s", e.text);
        _cleanup_free_ char *text = NULL;
        assert_int_equal(file_read(AT_FDCWD, in_scratch("copy.roothash"), 64, &text, NULL), 0);
        assert_string_equal(text, "two");
        assert_true(scratch_has("copy.nspawn"));
        assert_int_equal(getxattr(in_scratch("copy.raw"), "user.verity.usrhash", value, 16),
                         attributes ? 2 : -1);
        assert_int_equal(image_clone(web, "fresh", IMAGE_CLONE_FRESH, &e), -EROFS);

        CHECK_EQ(image_rename(web, "new", NULL, &e), 0, "%s", e.text);
        assert_true(scratch_has("new.raw.v/new_1.raw") && scratch_has("new.raw.v/new_1.roothash") &&
                    scratch_has("new.raw.v/new_2.roothash") && scratch_has("new.nspawn"));
        assert_false(scratch_has("new.raw.v/web_1.roothash"));
        new = get("new");
        CHECK_EQ(image_remove(new, 0, NULL, &e), 0, "%s", e.text);
        assert_false(scratch_has("new.raw.v") || scratch_has("new.nspawn"));
}

/* Nothing is half renamed where one of the new names is taken. */
static void test_in_the_way(void **state) {
        NEED_ROOT();
        for (size_t k = 0; companion_suffix(k, NULL); k++) {
                _cleanup_image_ Image *web = NULL;
                Error e = {};

                make(".raw");
                web = get("web");
                if (streq(companion_suffix(k, NULL), ".nspawn.d"))
                        scratch_dir("new.nspawn.d");
                scratch_file(beside("new", k), "in the way");
                CHECK_EQ(image_rename(web, "new", NULL, &e), -EEXIST, "%s",
                         companion_suffix(k, NULL));
                for (size_t i = 0; companion_suffix(i, NULL); i++)
                        check("web", "rename", i, true);
                assert_true(scratch_has("web.raw") && !scratch_has("new.raw"));
                assert_int_equal(path_remove_tree(AT_FDCWD, scratch), 0);
                assert_int_equal(mkdir(scratch, 0700), 0);
        }
}

int main(void) {
#define ROW(t) cmocka_unit_test_setup_teardown(t, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table), ROW(test_all_go_with_it), ROW(test_layer),
                ROW(test_versions),           ROW(test_in_the_way),
        };
        return cmocka_run_group_tests(tests, scratch_view, NULL);
}
