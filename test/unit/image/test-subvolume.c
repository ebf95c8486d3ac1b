/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that are btrfs subvolumes, on a file system of the test's own that only it sees. Skipped where
 * that cannot be made: without root, mkfs.btrfs or loop devices. */
#include "image/subvolume.h"

#include <sched.h>
#include <sys/mount.h>

#include "image/change.h"
#include "image/clone.h"
#include "image/pool.h"
#include "scratch.h"

static bool has_btrfs;

static int run(const char *command) {
        return system(command) == 0 ? 0 : -EIO;
}

static int btrfs_setup(void **state) {
        char command[512];

        (void) scratch_setup(state);
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 0;
        (void) snprintf(command, sizeof(command),
                        "truncate -s 300M %1$s.img && mkfs.btrfs -q %1$s.img >/dev/null 2>&1 && "
                        "mount -o loop %1$s.img %1$s 2>/dev/null",
                        scratch);
        has_btrfs = run(command) >= 0;
        return 0;
}

static int btrfs_teardown(void **state) {
        char path[80];

        (void) snprintf(path, sizeof(path), "%s.img", scratch);
        (void) umount2(scratch, MNT_DETACH);
        (void) unlink(path);
        return scratch_teardown(state);
}

static Image *get(const char *name) {
        Image *i = NULL;
        Error e = {};

        CHECK_EQ(pool_get(name, &i, &e), 0, "%s: %s", name, e.text);
        return i;
}

static int open_dir(const char *name) {
        int fd = open(in_scratch(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void create(const char *directory, const char *name) {
        _cleanup_fd_ int fd = open_dir(directory);

        CHECK_EQ(subvolume_create(fd, name), 0, "%s in '%s'", name, directory);
}

static void test_elsewhere(void **state) {
        _cleanup_fd_ int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_false(subvolume_is(fd));
        assert_true(subvolume_create(fd, "x") < 0);
}

static void test_life(void **state) {
        _cleanup_image_ Image *tree = NULL, *snapshot = NULL, *renamed = NULL, *plain = NULL,
                              *copy = NULL, *second = NULL;
        Error e = {};

        if (!has_btrfs)
                skip();
        create("", "tree");
        create("tree", "nested");
        scratch_dir("tree/deep/down");
        create("tree/deep/down", "too");
        create("tree/deep/down/too", "inner");
        scratch_file("tree/nested/file", "x");
        scratch_file("tree/deep/down/too/inner/file", "x");
        scratch_file("tree/file", "x");
        scratch_dir("plain/etc");
        scratch_file("plain/etc/file", "x");
        create("plain", "sub");
        scratch_dir("plain/sub/down");
        scratch_file("plain/sub/down/file", "x");
        scratch_dir("plain/mounted");
        assert_int_equal(mount("tmpfs", in_scratch("plain/mounted"), "tmpfs", 0, NULL), 0);
        scratch_file("plain/mounted/file", "x");

        tree = get("tree");
        CHECK_EQ(tree->type, IMAGE_SUBVOLUME, "tree");
        assert_true(tree->crtime_usec > 1000000 && tree->mtime_usec > 1000000);
        plain = get("plain");
        CHECK_EQ(plain->type, IMAGE_DIRECTORY, "plain");

        /* A snapshot of a subvolume, a copy in a subvolume of a directory. */
        CHECK_EQ(image_clone(tree, "snapshot", IMAGE_CLONE_READ_ONLY, &e), 0, "%s", e.text);
        assert_true(scratch_has("snapshot/file") && scratch_has("snapshot/nested/file") &&
                    scratch_has("snapshot/deep/down/too/inner/file"));
        assert_true(mkdir(in_scratch("snapshot/deep/down/too/inner/new"), 0755) < 0 &&
                    errno == EROFS);
        CHECK_EQ(image_clone(tree, "second", 0, &e), 0, "%s", e.text);
        assert_int_equal(mkdir(in_scratch("second/deep/down/too/inner/new"), 0755), 0);
        assert_false(scratch_has("tree/deep/down/too/inner/new"));
        snapshot = get("snapshot");
        assert_true(snapshot->type == IMAGE_SUBVOLUME && snapshot->read_only);
        CHECK_EQ(image_clone(plain, "copy", IMAGE_CLONE_READ_ONLY, &e), 0, "%s", e.text);
        assert_true(scratch_has("copy/etc/file") && scratch_has("copy/sub/down/file"));
        assert_true(scratch_has("copy/mounted") && !scratch_has("copy/mounted/file"));
        assert_int_equal(umount(in_scratch("plain/mounted")), 0);
        copy = get("copy");
        assert_true(copy->type == IMAGE_SUBVOLUME && copy->read_only);

        CHECK_EQ(image_rename(snapshot, "renamed", NULL, &e), 0, "%s", e.text);
        renamed = get("renamed");
        CHECK_EQ(image_set_read_only(renamed, false, &e), 0, "%s", e.text);
        assert_int_equal(mkdir(in_scratch("renamed/new"), 0755), 0);
        CHECK_EQ(image_set_read_only(renamed, true, &e), 0, "%s", e.text);
        assert_true(mkdir(in_scratch("renamed/newer"), 0755) < 0 && errno == EROFS);

        /* Read-only ones, those with others in them, and directories with subvolumes in them. */
        create("plain/etc", "inner");
        CHECK_EQ(image_remove(renamed, 0, NULL, &e), 0, "%s", e.text);
        CHECK_EQ(image_remove(copy, 0, NULL, &e), 0, "%s", e.text);
        second = get("second");
        CHECK_EQ(image_remove(second, 0, NULL, &e), 0, "%s", e.text);
        CHECK_EQ(image_remove(tree, 0, NULL, &e), 0, "%s", e.text);
        CHECK_EQ(image_remove(plain, 0, NULL, &e), 0, "%s", e.text);
        assert_int_equal(scratch_count(), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_elsewhere),
                cmocka_unit_test_setup_teardown(test_life, btrfs_setup, btrfs_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
