/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <unistd.h>

#include "base/path.h"

static char folder[] = "/tmp/skep-test-path-XXXXXX";
static int folder_fd = -EBADF;

static int make_folder(void **state) {
        assert_non_null(mkdtemp(folder));
        folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return folder_fd < 0;
}

static int remove_folder(void **state) {
        (void) close(folder_fd);
        return path_remove_tree(AT_FDCWD, folder);
}

static void texts(void **state) {
        static const struct {
                const char *in, *clean;
                bool is_clean, is_safe;
        } cases[] = {
                { "/", "/", true, true },
                { "/a/b", "/a/b", true, true },
                { "//a///b/", "/a/b", false, true },
                { "/a/./b", "/a/b", false, true },
                { "/a/../b", "/a/../b", false, false },
                { "a", "a", false, false },
                { "", ".", false, false },
                { "/a..b", "/a..b", true, true },
                { "/..", "/..", false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *clean = path_clean(cases[i].in);
                CHECK_STR(clean, cases[i].clean, "row %zu '%s'", i, cases[i].in);
                CHECK_EQ(path_is_absolute_clean(cases[i].in), cases[i].is_clean, "row %zu '%s'", i,
                         cases[i].in);
                CHECK_EQ(path_is_safe(cases[i].in), cases[i].is_safe, "row %zu '%s'", i,
                         cases[i].in);
        }

        _cleanup_free_ char *joined = path_join("/a/", "/b");
        CHECK_STR(joined, "/a/b", "join");
        CHECK_EQ(path_is_below("/a/b", "/a"), true, "below");
        CHECK_EQ(path_is_below("/ab", "/a"), false, "not below");
        CHECK_EQ(path_is_below("/a", "/"), true, "below the root");
        CHECK_STR(path_last("/a/b.raw"), "b.raw", "last");
}

static void links_stay_inside(void **state) {
        struct stat st;

        assert_int_equal(mkdirat(folder_fd, "root", 0755), 0);
        int root = openat(folder_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(symlinkat("/", root, "up"), 0);
        assert_int_equal(symlinkat("../../../../..", root, "out"), 0);
        assert_int_equal(file_write(root, "inside", "x", O_CREAT | O_EXCL, 0644), 0);

        static const char *const ways[] = { "up/inside", "out/inside", "/up/out/inside",
                                            "../../inside" };
        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                _cleanup_fd_ int fd = path_open_in_root(root, ways[i], O_RDONLY, 0);
                CHECK_EQ(fd >= 0, 1, "row %zu '%s'", i, ways[i]);
        }
        CHECK_EQ(path_open_in_root(root, "up/etc/passwd", O_RDONLY, 0), -ENOENT, "the host's file");
        CHECK_EQ(path_open_beneath(root, "up/inside", O_RDONLY, 0), -ELOOP, "no link at all");

        _cleanup_fd_ int made = path_mkdirs_in_root(root, "/up/new/deep", 0700, (uid_t) -1,
                                                    (gid_t) -1);
        CHECK_EQ(made >= 0, 1, "mkdirs through a link");
        CHECK_EQ(fstatat(root, "new/deep", &st, AT_SYMLINK_NOFOLLOW), 0, "made inside");
        CHECK_EQ(st.st_mode & 07777, 0700, "with its mode");

        char *text = NULL;
        assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
        CHECK_EQ(path_read_in_root(root, "fifo", 100, &text, NULL), -EINVAL,
                 "a FIFO is not waited for");
        CHECK_EQ(path_read_in_root(root, "new", 100, &text, NULL), -EISDIR, "a directory");
        (void) close(root);
}

static void removes_whole_trees(void **state) {
        struct stat st;

        _cleanup_fd_ int deep = path_mkdirs_in_root(folder_fd, "tree/a/b/c", 0755, (uid_t) -1,
                                                    (gid_t) -1);
        assert_true(deep >= 0);
        assert_int_equal(file_write(deep, "file", "x", O_CREAT, 0600), 0);
        assert_int_equal(symlinkat("/", deep, "link"), 0);
        CHECK_EQ(path_remove_tree(folder_fd, "tree"), 0, "removed");
        CHECK_EQ(fstatat(folder_fd, "tree", &st, 0), -1, "gone");
        CHECK_EQ(path_remove_tree(folder_fd, "tree"), 0, "not there is fine");
        CHECK_EQ(access("/etc", F_OK), 0, "the link was not followed");
}

static void replaces_files_in_one_step(void **state) {
        char *text = NULL;

        CHECK_EQ(file_write_atomic(folder_fd, "state", "one", 3, 0644), 0, "first");
        CHECK_EQ(file_write_atomic(folder_fd, "state", "two", 3, 0644), 0, "second");
        assert_int_equal(file_read_line(folder_fd, "state", &text), 0);
        CHECK_STR(text, "two", "newest");
        free(text);
        CHECK_EQ(file_read(folder_fd, "state", 2, &text, NULL), -EFBIG, "larger than allowed");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(texts),
                cmocka_unit_test(links_stay_inside),
                cmocka_unit_test(removes_whole_trees),
                cmocka_unit_test(replaces_files_in_one_step),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
