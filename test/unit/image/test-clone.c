/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clones are the same as their originals in all that a tree can have, and never seen half made. */
#include "image/clone.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "image/change.h"
#include "image/lock.h"
#include "image/pool.h"
#include "scratch.h"

static Image *get(const char *name) {
        Image *i = NULL;
        Error e = {};

        CHECK_EQ(pool_get(name, &i, &e), 0, "%s: %s", name, e.text);
        return i;
}

static void make_tree(void) {
        struct timespec times[2] = { { .tv_sec = 1000000 }, { .tv_sec = 2000000, .tv_nsec = 5 } };

        scratch_dir("tree/etc/empty");
        scratch_file("tree/etc/file", "text");
        assert_int_equal(chown(in_scratch("tree/etc/file"), 1000, 2000), 0);
        assert_int_equal(chmod(in_scratch("tree/etc/file"), 06750), 0);
        assert_int_equal(link(in_scratch("tree/etc/file"), in_scratch("tree/second")), 0);
        assert_int_equal(symlink("/etc/absolute", in_scratch("tree/link")), 0);
        assert_int_equal(symlink("other", in_scratch("tree/dead")), 0);
        assert_int_equal(mknod(in_scratch("tree/null"), S_IFCHR | 0666, makedev(1, 3)), 0);
        assert_int_equal(mkfifo(in_scratch("tree/fifo"), 0600), 0);
        assert_int_equal(setxattr(in_scratch("tree/etc/file"), "trusted.skep", "value", 5, 0), 0);
        scratch_file("tree.nspawn", "[Exec]\nBoot=yes\n");
        scratch_dir("tree.nspawn.d");
        scratch_file("tree.nspawn.d/a.conf", "[Exec]\nBoot=no\n");
        assert_int_equal(symlink("/dev/null", in_scratch("tree.nspawn.d/b.conf")), 0);
        assert_int_equal(chmod(in_scratch("tree/etc"), 01711), 0);
        assert_int_equal(utimensat(AT_FDCWD, in_scratch("tree/etc/file"), times, 0), 0);
        assert_int_equal(utimensat(AT_FDCWD, in_scratch("tree/etc"), times, 0), 0);
}

static void check_same(const char *name) {
        char a[128], b[128];
        struct stat x, y;

        (void) snprintf(a, sizeof(a), "tree/%s", name);
        (void) snprintf(b, sizeof(b), "copy/%s", name);
        CHECK_EQ(lstat(in_scratch(a), &x), 0, "%s", a);
        CHECK_EQ(lstat(in_scratch(b), &y), 0, "%s", b);
        CHECK_EQ(y.st_mode, x.st_mode, "%s", name);
        CHECK_EQ(y.st_uid, x.st_uid, "%s", name);
        CHECK_EQ(y.st_gid, x.st_gid, "%s", name);
        CHECK_EQ(y.st_size, x.st_size, "%s", name);
        CHECK_EQ(y.st_rdev, x.st_rdev, "%s", name);
        CHECK_EQ(y.st_nlink, x.st_nlink, "%s", name);
        CHECK_EQ(y.st_mtim.tv_sec, x.st_mtim.tv_sec, "%s", name);
        CHECK_EQ(y.st_mtim.tv_nsec, x.st_mtim.tv_nsec, "%s", name);
        assert_true(x.st_ino != y.st_ino);
}

static void test_tree(void **state) {
        static const char *const entries[] = {
                "", "etc", "etc/empty", "etc/file", "second", "link", "dead", "null", "fifo",
        };
        _cleanup_image_ Image *tree = NULL;
        _cleanup_free_ char *text = NULL;
        struct stat x, y;
        char value[16];
        Error e = {};

        NEED_ROOT();
        make_tree();
        tree = get("tree");
        CHECK_EQ(image_clone(tree, "copy", 0, &e), 0, "%s", e.text);

        for (size_t i = 0; i < ELEMENTSOF(entries); i++)
                check_same(entries[i]);
        assert_int_equal(stat(in_scratch("copy/etc/file"), &x), 0);
        assert_int_equal(stat(in_scratch("copy/second"), &y), 0);
        assert_true(x.st_ino == y.st_ino); /* still one file with two names */
        assert_int_equal(getxattr(in_scratch("copy/second"), "trusted.skep", value, 16), 5);
        assert_int_equal(file_read(AT_FDCWD, in_scratch("copy/second"), 64, &text, NULL), 0);
        assert_string_equal(text, "text");
        assert_true(scratch_has("copy.nspawn"));
        assert_true(scratch_has("copy.nspawn.d/a.conf") && scratch_has("copy.nspawn.d/b.conf"));
        assert_int_equal(scratch_count(), 6);
}

static void test_disk(void **state) {
        _cleanup_image_ Image *disk = NULL, *copy = NULL;
        _cleanup_fd_ int fd = -EBADF;
        Error e = {};
        char c;

        NEED_ROOT();
        scratch_file("disk.raw", "start");
        assert_int_equal(truncate(in_scratch("disk.raw"), 64 << 20), 0);
        fd = open(in_scratch("disk.raw"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "x", 1, 40 << 20), 1);

        disk = get("disk");
        CHECK_EQ(image_clone(disk, "copy", IMAGE_CLONE_READ_ONLY, &e), 0, "%s", e.text);
        copy = get("copy");
        assert_true(copy->read_only);
        assert_int_equal(copy->limit, 64 << 20);
        assert_true(copy->usage < 1 << 20); /* holes stay holes */
        fd = fd_close(fd);
        fd = open(in_scratch("copy.raw"), O_RDONLY | O_CLOEXEC);
        assert_true(pread(fd, &c, 1, 40 << 20) == 1 && c == 'x');
        assert_true(pread(fd, &c, 1, 4) == 1 && c == 't');
        assert_true(pread(fd, &c, 1, 50 << 20) == 1 && c == '\0');
        assert_int_equal(scratch_count(), 2);
}

static void test_stack(void **state) {
        _cleanup_image_ Image *stack = NULL, *copy = NULL, *renamed = NULL;
        Error e = {};

        NEED_ROOT();
        scratch_dir("web.mstack/layer@1/etc");
        scratch_dir("web.mstack/rw/data");
        stack = get("web");
        assert_int_equal(stack->type, IMAGE_MSTACK);
        CHECK_EQ(image_clone(stack, "copy", 0, &e), 0, "%s", e.text);
        assert_true(scratch_has("copy.mstack/layer@1/etc") && scratch_has("copy.mstack/rw/data"));
        copy = get("copy");
        CHECK_EQ(image_rename(copy, "other", NULL, &e), 0, "%s", e.text);
        assert_true(scratch_has("other.mstack/rw/data") && !scratch_has("copy.mstack"));
        renamed = get("other");
        assert_int_equal(renamed->type, IMAGE_MSTACK);
        CHECK_EQ(image_remove(renamed, 0, NULL, &e), 0, "%s", e.text);
        assert_int_equal(scratch_count(), 1);
}

static void test_refused(void **state) {
        _cleanup_image_ Image *tree = NULL, *gone = NULL;
        ImageLock *lock = NULL;
        Error e = {};

        NEED_ROOT();
        scratch_dir("tree");
        scratch_dir("gone");
        tree = get("tree");
        gone = get("gone");
        assert_int_equal(image_clone(tree, "gone", 0, &e), -EEXIST);
        assert_int_equal(image_clone(tree, "a/b", 0, &e), -EINVAL);
        assert_int_equal(image_lock_name("copy", &lock, NULL), 0);
        assert_int_equal(image_clone(tree, "copy", 0, &e), -EBUSY);
        lock = image_lock_free(lock);

        assert_int_equal(rmdir(in_scratch("gone")), 0);
        assert_int_equal(image_clone(gone, "copy", 0, &e), -ENOENT);
        assert_int_equal(scratch_count(), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_tree, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_disk, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_stack, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_refused, scratch_setup, scratch_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
