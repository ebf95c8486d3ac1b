/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding and listing over a search path of two directories. */
#include "image/pool.h"

#include "scratch.h"

static void set_path(const char *a, const char *b) {
        char value[1024];

        (void) snprintf(value, sizeof(value), "%s:%s", in_scratch(a), in_scratch(b));
        assert_int_equal(setenv("SKEP_POOL", value, 1), 0);
}

static void test_default_path(void **state) {
        _cleanup_strv_ char **v = NULL;
        _cleanup_free_ char *main_path = NULL;

        assert_int_equal(unsetenv("SKEP_POOL"), 0);
        assert_int_equal(pool_directories(&v, NULL), 0);
        assert_int_equal(strv_length(v), 6);
        assert_string_equal(v[0], "/etc/machines");
        assert_string_equal(v[2], "/var/lib/machines");
        assert_int_equal(pool_path(&main_path, NULL), 0);
        assert_string_equal(main_path, "/var/lib/machines");
}

static void test_bad_path(void **state) {
        static const char *const bad[] = { "relative", "/a:b", "/a/../b", "/a::/b" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_strv_ char **v = NULL;
                Error e = {};

                assert_int_equal(setenv("SKEP_POOL", bad[i], 1), 0);
                CHECK_EQ(pool_directories(&v, &e), -EINVAL, "%s", bad[i]);
                assert_non_null(strstr(e.text, "$SKEP_POOL"));
        }
}

static void test_find(void **state) {
        _cleanup_image_ Image *a = NULL, *disk = NULL, *host = NULL, *none = NULL;
        Error e = {};

        set_path("one", "two");
        scratch_dir("one/a");
        scratch_dir("two/a");
        scratch_file("two/disk.raw", "x");

        assert_int_equal(pool_find("a", &a, NULL), 1);
        assert_string_equal(a->path, in_scratch("one/a"));
        assert_int_equal(pool_find("disk", &disk, NULL), 1);
        assert_string_equal(disk->path, in_scratch("two/disk.raw"));
        assert_int_equal(pool_find(".host", &host, NULL), 1);
        assert_string_equal(host->path, "/");

        assert_int_equal(pool_find("disk.raw", &none, NULL), 0);
        assert_int_equal(pool_find("b", &none, NULL), 0);
        assert_int_equal(pool_find("../one/a", &none, &e), -EINVAL);
        assert_string_equal(e.text, "image name '../one/a' is not valid");
        assert_int_equal(pool_get("b", &none, &e), -ENOENT);
        assert_string_equal(e.text, "no image 'b' in the pool");
        assert_null(none);
}

static void test_list(void **state) {
        static const char *const expected[] = { ".hidden", ".host", "a", "b", "c" };
        _cleanup_(image_list_done) ImageList l = {};

        set_path("one", "two");
        scratch_dir("one/c");
        scratch_dir("one/a");
        scratch_file("one/a.raw", "x"); /* comes second in its directory: NAME wins */
        scratch_dir("two/a");
        scratch_file("two/b.raw", "x");
        scratch_dir("two/.hidden");
        scratch_dir("two/.host"); /* nobody takes the host's name */
        scratch_file("two/file.txt", "x");

        assert_int_equal(pool_list(&l, NULL), 0);
        assert_int_equal(l.n, ELEMENTSOF(expected));
        for (size_t i = 0; i < l.n; i++)
                CHECK_STR(l.items[i]->name, expected[i], "item %zu", i);
        assert_string_equal(l.items[1]->path, "/");
        assert_string_equal(l.items[2]->path, in_scratch("one/a"));
        assert_true(l.items[0]->read_only); /* hidden */
}

static void test_open(void **state) {
        set_path("new/pool", "two");

        _cleanup_fd_ int fd = pool_open(NULL);
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_default_path),
                cmocka_unit_test(test_bad_path),
                cmocka_unit_test_setup_teardown(test_find, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_list, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_open, scratch_setup, scratch_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
