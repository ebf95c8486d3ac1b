/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser of os-release, and the readers of what a tree says of itself over hostile trees. */
#include "image/os-release.h"

#include "image/metadata.h"
#include "scratch.h"

static void test_parse(void **state) {
        static const struct {
                const char *text;
                const char *expected; /* entries joined by '|'; NULL = refused */
        } cases[] = {
                { "", "" },
                { "A=b", "A=b" },
                { "A=b\nC=d\n", "A=b|C=d" },
                { "# x\n; y\n\n  A=b  \r\n", "A=b" },
                { "A=\"b c\"\n", "A=b c" },
                { "A='b \\ \"c'\n", "A=b \\ \"c" },
                { "A=\"a\\\"b\\\\c\\$d\\x\"\n", "A=a\"b\\c$d\\x" },
                { "A=one\\ two\\\nthree\n", "A=one twothree" },
                { "A=\"x\\\ny\"\n", "A=xy" },
                { "A=\"x\ny\"\nB=1", "A=x\ny|B=1" },
                { "A=a'b'\"c\"d\n", "A=abcd" },
                { "A=1\nA=2\n", "A=2" },
                { "A=\n", "A=" },
                { "no assignment\n1A=x\nA-B=x\n=x\nC=d\n", "C=d" },
                { "A=\"open\n", NULL },
                { "A='open", NULL },
                { "A=\x01\n", NULL },
                { "A=\"\x1b[31m\"\n", NULL },
                { "A=\xff\n", NULL },
                { "A=b\\", "A=b\\" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_strv_ char **v = NULL;
                Error e = {};
                int r = os_release_parse(cases[i].text, strlen(cases[i].text), &v, &e);

                CHECK_EQ(r, cases[i].expected ? 0 : -EINVAL, "row %zu: %s", i, e.text);
                if (r < 0)
                        continue;
                _cleanup_free_ char *joined = strv_join(v, "|");
                CHECK_STR(strempty(joined), cases[i].expected, "row %zu", i);
        }
}

static void test_limits(void **state) {
        _cleanup_free_ char *big = calloc(1, OS_RELEASE_SIZE_MAX + 1);
        _cleanup_strv_ char **v = NULL;
        Error e = {};

        memset(big, '\n', OS_RELEASE_SIZE_MAX + 1);
        assert_int_equal(os_release_parse(big, OS_RELEASE_SIZE_MAX + 1, &v, NULL), -EFBIG);
        assert_int_equal(os_release_parse("A=b\0c\n", 6, &v, &e), -EINVAL);
        assert_int_equal(os_release_parse("A=1\nB=2\nC='x\n", 13, &v, &e), -EINVAL);
        assert_non_null(strstr(e.text, "line 3"));
}

static void test_pretty_name(void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                { "ID=x\nNAME=X\nVERSION=1\nPRETTY_NAME=\"X One\"", "X One" },
                { "ID=x\nNAME=X\nVERSION=1", "X 1" },
                { "ID=x\nNAME=X", "X" },
                { "ID=x", "x" },
                { "PRETTY_NAME=\nA=b", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_strv_ char **v = NULL;
                _cleanup_free_ char *name = NULL;

                assert_int_equal(os_release_parse(cases[i].text, strlen(cases[i].text), &v, NULL),
                                 0);
                assert_int_equal(os_release_pretty_name(v, &name), 0);
                CHECK_STR(name, cases[i].expected, "row %zu", i);
        }
}

static int open_scratch(void) {
        scratch_dir("etc");
        scratch_dir("usr/lib");
        return open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void test_metadata(void **state) {
        _cleanup_fd_ int fd = open_scratch();
        _cleanup_strv_ char **v = NULL, **info = NULL, **none = NULL;
        _cleanup_free_ char *name = NULL;
        Id128 id;
        char text[ID128_TEXT_MAX];

        assert_int_equal(metadata_is_os_tree(fd, NULL), 0);
        assert_int_equal(metadata_os_release(fd, &v, NULL), -ENOENT);
        assert_int_equal(metadata_machine_info(fd, &none, NULL), 0);
        assert_null(none);
        assert_int_equal(metadata_hostname(fd, &name, NULL), 0);
        assert_null(name);
        assert_int_equal(metadata_machine_id(fd, &id, NULL), 0);
        assert_true(id128_is_null(&id));

        scratch_file("usr/lib/os-release", "ID=test\n");
        assert_int_equal(symlink("/usr/lib/os-release", in_scratch("etc/os-release")), 0);
        scratch_file("etc/machine-info", "ICON_NAME=x\n");
        scratch_file("etc/hostname", "# mine\n  box.example \n");
        scratch_file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");

        assert_int_equal(metadata_is_os_tree(fd, NULL), 1);
        assert_int_equal(metadata_os_release(fd, &v, NULL), 0);
        assert_string_equal(strv_env_get(v, "ID"), "test");
        assert_int_equal(metadata_machine_info(fd, &info, NULL), 0);
        assert_string_equal(info[0], "ICON_NAME=x");
        assert_int_equal(metadata_hostname(fd, &name, NULL), 0);
        assert_string_equal(name, "box.example");
        assert_int_equal(metadata_machine_id(fd, &id, NULL), 0);
        assert_string_equal(id128_format(&id, text), "0123456789abcdef0123456789abcdef");
}

static void test_links_stay_inside(void **state) {
        static const char *const targets[] = { "/etc/secret", "../../../../etc/secret",
                                               "/proc/self/root/etc/secret" };
        _cleanup_fd_ int fd = -EBADF;

        /* The tree is one level down; beside it lies what its links try to reach. */
        scratch_dir("etc");
        scratch_file("etc/secret", "SECRET=1\n");
        scratch_dir("tree/etc");
        fd = open(in_scratch("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                _cleanup_strv_ char **v = NULL;

                assert_int_equal(symlink(targets[i], in_scratch("tree/etc/os-release")), 0);
                CHECK_EQ(metadata_os_release(fd, &v, NULL), -ENOENT, "%s", targets[i]);
                CHECK_EQ(metadata_is_os_tree(fd, NULL), 0, "%s", targets[i]);
                assert_int_equal(unlink(in_scratch("tree/etc/os-release")), 0);
        }
}

static void test_refused(void **state) {
        _cleanup_fd_ int fd = open_scratch();
        _cleanup_strv_ char **v = NULL;
        _cleanup_free_ char *name = NULL;
        Error e = {};
        Id128 id;

        assert_int_equal(mkfifo(in_scratch("etc/os-release"), 0644), 0);
        assert_int_equal(metadata_os_release(fd, &v, &e), -EINVAL);
        assert_string_equal(e.text, "/etc/os-release in the tree is not a regular file");

        scratch_file("etc/hostname", "");
        assert_int_equal(truncate(in_scratch("etc/hostname"), INT64_C(1) << 33), 0);
        assert_int_equal(metadata_hostname(fd, &name, NULL), -EFBIG);

        scratch_file("etc/machine-id", "uninitialized\n");
        assert_int_equal(metadata_machine_id(fd, &id, NULL), 0);
        assert_true(id128_is_null(&id));
        scratch_file("etc/machine-id", "nonsense\n");
        assert_int_equal(metadata_machine_id(fd, &id, NULL), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_pretty_name),
                cmocka_unit_test_setup_teardown(test_metadata, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_links_stay_inside, scratch_setup,
                                                scratch_teardown),
                cmocka_unit_test_setup_teardown(test_refused, scratch_setup, scratch_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
