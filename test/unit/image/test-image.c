/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What counts as an image, and what is told of it. */
#include "image/image.h"

#include "scratch.h"

static void test_names(void **state) {
        static const struct {
                const char *in;
                bool ok;
        } cases[] = {
                { "fedora-41", true },
                { "a b", true },
                { ".hidden", true },
                { ".host", true },
                { "gr\xc3\xbc\xc3\x9f", true },
                { "", false },
                { ".", false },
                { "..", false },
                { "a/b", false },
                { ".#a", false },
                { "a\n", false },
                { "\x7f", false },
                { "\xff\xfe", false },
                { "a.raw", true },
        };
        char longest[257];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                CHECK_EQ(image_name_is_valid(cases[i].in), cases[i].ok, "row %zu '%s'", i,
                         cases[i].in);

        memset(longest, 'a', 256);
        longest[256] = '\0';
        assert_false(image_name_is_valid(longest));
        longest[255] = '\0';
        assert_true(image_name_is_valid(longest));
        assert_false(image_name_is_valid(NULL));
}

static void test_types(void **state) {
        for (ImageType t = 0; t < _IMAGE_TYPE_MAX; t++)
                CHECK_EQ(image_type_parse(image_type_name(t)), t, "type %d", t);
        assert_int_equal(image_type_parse("v"), _IMAGE_TYPE_INVALID);
        assert_string_equal(image_type_name(_IMAGE_TYPE_MAX), "unknown");
}

static void test_probe(void **state) {
        static const struct {
                const char *entry;
                int found;
                const char *name;
                ImageType type;
        } cases[] = {
                { "tree", 1, "tree", IMAGE_DIRECTORY },
                { "disk.raw", 1, "disk", IMAGE_RAW },
                { "link", 1, "link", IMAGE_DIRECTORY },
                { "dir.raw", 1, "dir.raw", IMAGE_DIRECTORY },
                { "file.txt", 0 },
                { "fifo", 0 },
                { "stack.mstack", 1, "stack", IMAGE_MSTACK },
                { "fixed.mstack", 1, "fixed", IMAGE_MSTACK },
                { ".mstack", 0 },
                { "versions.v", 0 },
                { "missing", 0 },
                { "dangling", 0 },
                { "loop", 0 },
                { ".#unfinished", 0 },
                { ".raw", 0 },
        };

        scratch_dir("tree");
        scratch_dir("dir.raw");
        scratch_dir("stack.mstack/rw");
        scratch_dir("fixed.mstack/layer@1");
        scratch_dir("versions.v");
        scratch_dir(".#unfinished");
        scratch_file("disk.raw", "0123456789");
        scratch_file("file.txt", "x");
        scratch_file(".raw", "x");
        assert_int_equal(mkfifo(in_scratch("fifo"), 0600), 0);
        assert_int_equal(symlink("tree", in_scratch("link")), 0);
        assert_int_equal(symlink("nowhere", in_scratch("dangling")), 0);
        assert_int_equal(symlink("loop", in_scratch("loop")), 0);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_image_ Image *image = NULL;
                Error e = {};

                CHECK_EQ(image_probe(scratch, cases[i].entry, &image, &e), cases[i].found, "%s: %s",
                         cases[i].entry, e.text);
                if (!cases[i].found) {
                        assert_null(image);
                        continue;
                }
                CHECK_STR(image->name, cases[i].name, "%s", cases[i].entry);
                CHECK_STR(image->entry, cases[i].entry, "%s", cases[i].entry);
                CHECK_EQ(image->type, cases[i].type, "%s", cases[i].entry);
                CHECK_EQ(image->is_link, streq(cases[i].entry, "link"), "%s", cases[i].entry);
                CHECK_EQ(image->read_only, streq(cases[i].entry, "fixed.mstack"), "%s",
                         cases[i].entry);
                assert_true(image->crtime_usec > 1000000);
        }
}

static void test_values(void **state) {
        _cleanup_image_ Image *disk = NULL, *link = NULL, *by_path = NULL, *host = NULL;

        scratch_file("disk.raw", "0123456789");
        assert_int_equal(chmod(in_scratch("disk.raw"), 0444), 0);
        scratch_dir("tree");
        assert_int_equal(symlink("tree", in_scratch("link")), 0);

        assert_int_equal(image_probe(scratch, "disk.raw", &disk, NULL), 1);
        assert_true(disk->read_only);
        assert_int_equal(disk->limit, 10);
        assert_true(disk->usage < 65536);
        assert_true(disk->mtime_usec > 1000000);

        assert_int_equal(image_probe(scratch, "link", &link, NULL), 1);
        assert_string_equal(link->path, in_scratch("tree"));
        assert_true(link->usage == UINT64_MAX && link->limit == UINT64_MAX);
        assert_int_equal(link->mtime_usec, 0);

        scratch_file("other.img", "x");
        assert_int_equal(image_probe_path(in_scratch("other.img"), &by_path, NULL), 1);
        assert_string_equal(by_path->name, "other.img");
        assert_int_equal(by_path->type, IMAGE_RAW);

        assert_int_equal(image_probe_path("/", &host, NULL), 1);
        assert_true(image_is_host(host) && image_is_hidden(host));
        assert_string_equal(host->path, "/");
        assert_int_equal(image_probe_path("relative", &host, NULL), -EINVAL);
}

static void test_vendor(void **state) {
        const Image in_usr = { .name = (char *) "a", .path = (char *) "/usr/lib/machines/a" };
        const Image beside = { .name = (char *) "a", .path = (char *) "/usrlocal/a" };

        assert_true(image_is_vendor(&in_usr));
        assert_false(image_is_vendor(&beside));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_types),
                cmocka_unit_test_setup_teardown(test_probe, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_values, scratch_setup, scratch_teardown),
                cmocka_unit_test(test_vendor),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
