/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks, temporary names, and changes to images under them. */
#include "image/change.h"

#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "image/lock.h"
#include "image/pool.h"
#include "image/temporary.h"
#include "scratch.h"

static void test_lock(void **state) {
        ImageLock *a = NULL, *b = NULL, *c = NULL;

        NEED_ROOT();
        scratch_dir("tree");
        assert_int_equal(symlink("tree", in_scratch("link")), 0);

        assert_int_equal(image_lock(in_scratch("tree"), true, &a, NULL), 0);
        assert_true(scratch_has(".#tree.lck"));
        assert_int_equal(image_lock(in_scratch("tree"), true, &b, NULL), IMAGE_LOCK_BUSY);
        assert_int_equal(image_lock(in_scratch("tree"), false, &b, NULL), IMAGE_LOCK_BUSY);
        /* By another path to the same inode: the two meet below /run. */
        assert_int_equal(image_lock(in_scratch("link"), false, &b, NULL), IMAGE_LOCK_BUSY);
        assert_null(b);
        a = image_lock_free(a);
        assert_int_equal(scratch_count(), 2); /* lock files gone */

        assert_int_equal(image_lock(in_scratch("tree"), false, &a, NULL), 0);
        assert_int_equal(image_lock(in_scratch("tree"), false, &b, NULL), 0);
        assert_int_equal(image_lock(in_scratch("tree"), true, &c, NULL), IMAGE_LOCK_BUSY);
        a = image_lock_free(a);
        assert_true(scratch_has(".#tree.lck")); /* somebody is left */
        b = image_lock_free(b);
        assert_int_equal(scratch_count(), 2);

        assert_int_equal(image_lock(in_scratch("missing"), true, &a, NULL), -ENOENT);
        assert_int_equal(image_lock("relative", true, &a, NULL), -EINVAL);
        assert_int_equal(scratch_count(), 2);
}

static void test_lock_special(void **state) {
        ImageLock *a = NULL, *b = NULL;

        NEED_ROOT();
        assert_int_equal(image_lock("/", false, &a, NULL), 0);
        assert_null(a);
        assert_int_equal(image_lock("/", true, &a, NULL), IMAGE_LOCK_BUSY);
        assert_int_equal(image_lock_name(".host", &a, NULL), IMAGE_LOCK_BUSY);
        assert_int_equal(image_lock_name("a/b", &a, NULL), -EINVAL);

        assert_int_equal(image_lock_name("skep-test-name", &a, NULL), 0);
        assert_int_equal(image_lock_name("skep-test-name", &b, NULL), IMAGE_LOCK_BUSY);
        a = image_lock_free(a);
        assert_int_not_equal(access("/run/systemd/nspawn/locks/name-skep-test-name", F_OK), 0);

        scratch_dir("tree");
        assert_int_equal(setenv("SYSTEMD_NSPAWN_LOCK", "0", 1), 0);
        assert_int_equal(image_lock(in_scratch("tree"), true, &a, NULL), 0);
        assert_null(a);
        assert_int_equal(unsetenv("SYSTEMD_NSPAWN_LOCK"), 0);
}

/* A lock ends with its process, however that ends. */
static void test_lock_of_dead(void **state) {
        ImageLock *lock = NULL;
        int status;

        NEED_ROOT();
        scratch_dir("tree");
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(image_lock(in_scratch("tree"), true, &lock, NULL) == 0 ? 7 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        assert_true(scratch_has(".#tree.lck"));
        assert_int_equal(image_lock(in_scratch("tree"), true, &lock, NULL), 0);
        lock = image_lock_free(lock);
        assert_int_equal(scratch_count(), 1);
}

static void test_temporary(void **state) {
        _cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;
        ImageLock *lock = NULL;
        char name[256];

        NEED_ROOT();
        memset(name, 'n', 255);
        name[255] = '\0';
        assert_int_equal(temporary_name("web", &a), 0);
        assert_int_equal(temporary_name("web", &b), 0);
        assert_int_equal(temporary_name(name, &c), 0);
        assert_string_not_equal(a, b);
        assert_true(temporary_name_is_own(a) && temporary_name_is_own(c));
        assert_true(strlen(c) < 200);
        assert_false(temporary_name_is_own("web"));
        assert_false(temporary_name_is_own(".#skep.web"));
        assert_false(temporary_name_is_own(".#other.0123456789abcdef"));
        assert_false(temporary_name_is_own(".#.#skep.web.0123456789abcdef.lck"));
        assert_false(image_name_is_valid(a));

        scratch_dir(a);
        scratch_dir(b);
        scratch_file(".#skep.f.0123456789abcdef", "x");
        scratch_dir(".#other.0123456789abcdef");
        scratch_dir("web");
        assert_int_equal(image_lock(in_scratch(b), true, &lock, NULL), 0);
        assert_int_equal(temporary_sweep(scratch, NULL), 2);
        assert_false(scratch_has(a));
        assert_true(scratch_has(b));
        lock = image_lock_free(lock);
        assert_int_equal(temporary_sweep(scratch, NULL), 1);
        assert_int_equal(scratch_count(), 2);
        assert_int_equal(temporary_sweep(in_scratch("missing"), NULL), 0);
}

static Image *get(const char *name) {
        Image *i = NULL;
        Error e = {};

        CHECK_EQ(pool_get(name, &i, &e), 0, "%s: %s", name, e.text);
        return i;
}

static void make_images(void) {
        scratch_dir("tree/etc/deep");
        scratch_file("tree/etc/deep/file", "x");
        scratch_file("tree.nspawn", "x");
        scratch_file("tree.roothash", "x");
        scratch_dir("tree.nspawn.d");
        scratch_file("tree.nspawn.d/a.conf", "x");
        scratch_file("disk.raw", "x");
        scratch_file("disk.verity", "x");
        assert_int_equal(symlink("tree", in_scratch("link")), 0);
}

static void test_remove(void **state) {
        _cleanup_image_ Image *tree = NULL, *disk = NULL, *link = NULL;
        ImageLock *lock = NULL;
        Error e = {};

        NEED_ROOT();
        make_images();
        tree = get("tree");
        disk = get("disk");
        link = get("link");

        assert_int_equal(image_lock(tree->path, false, &lock, NULL), 0);
        assert_int_equal(image_remove(tree, 0, NULL, &e), -EBUSY);
        assert_string_equal(e.text, "image 'tree' is in use");
        assert_int_equal(image_remove(link, 0, NULL, &e), -EBUSY);
        assert_true(scratch_has("tree/etc/deep/file"));
        lock = image_lock_free(lock);

        /* Of a link, the link alone. */
        assert_int_equal(image_remove(link, 0, NULL, &e), 0);
        assert_false(scratch_has("link"));
        assert_true(scratch_has("tree/etc/deep/file"));

        assert_int_equal(image_remove(disk, 0, NULL, &e), 0);
        assert_false(scratch_has("disk.raw") || scratch_has("disk.verity"));
        assert_int_equal(image_remove(tree, 0, NULL, &e), 0);
        assert_int_equal(scratch_count(), 0);
        assert_int_equal(image_remove(tree, 0, NULL, &e), -ENOENT);
}

/* Whoever watches the pool sees the name go once, whole, and never a tree half gone. */
static void test_remove_is_one_step(void **state) {
        _cleanup_image_ Image *tree = NULL;
        _cleanup_fd_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        char buffer[4096] __attribute__((aligned(8)));

        NEED_ROOT();
        make_images();
        tree = get("tree");
        assert_true(inotify_add_watch(watch, in_scratch("tree"), IN_DELETE | IN_MOVE_SELF) >= 0);
        assert_int_equal(image_remove(tree, 0, NULL, NULL), 0);
        assert_true(read(watch, buffer, sizeof(buffer)) > 0);
        assert_true(((struct inotify_event *) buffer)->mask & IN_MOVE_SELF);
}

static void test_refused(void **state) {
        _cleanup_image_ Image *host = get(".host");
        Image vendor = { .name = (char *) "v",
                         .path = (char *) "/usr/lib/machines/v",
                         .directory = (char *) "/usr/lib/machines",
                         .entry = (char *) "v" };
        Error e = {};

        assert_int_equal(image_remove(host, 0, NULL, &e), -EROFS);
        assert_int_equal(image_rename(host, "new", NULL, &e), -EROFS);
        assert_int_equal(image_set_read_only(host, true, &e), -EROFS);
        assert_int_equal(image_remove(&vendor, 0, NULL, &e), -EROFS);
        assert_non_null(strstr(e.text, "belongs to the installed system"));
}

static void test_rename(void **state) {
        _cleanup_image_ Image *tree = NULL, *disk = NULL, *again = NULL;
        Error e = {};

        NEED_ROOT();
        make_images();
        tree = get("tree");
        disk = get("disk");

        assert_int_equal(image_rename(tree, "disk", NULL, &e), -EEXIST);
        assert_int_equal(image_rename(tree, ".#x", NULL, &e), -EINVAL);
        assert_int_equal(image_rename(tree, ".host", NULL, &e), -EBUSY);
        assert_int_equal(image_rename(tree, "forest", NULL, &e), 0);
        assert_int_equal(image_rename(disk, "disc", NULL, &e), 0);
        assert_true(scratch_has("forest/etc/deep/file") && scratch_has("forest.nspawn") &&
                    scratch_has("forest.roothash") && scratch_has("disc.raw") &&
                    scratch_has("disc.verity") && scratch_has("forest.nspawn.d/a.conf"));
        assert_false(scratch_has("tree") || scratch_has("tree.nspawn") || scratch_has("disk.raw"));
        again = get("forest");
        assert_false(again->read_only);
}

static void test_read_only(void **state) {
        _cleanup_image_ Image *tree = NULL, *disk = NULL, *marked = NULL, *renamed = NULL;
        Error e = {};

        NEED_ROOT();
        make_images();
        tree = get("tree");
        disk = get("disk");

        assert_int_equal(image_set_read_only(disk, true, &e), 0);
        marked = get("disk");
        assert_true(marked->read_only);
        assert_int_equal(image_set_read_only(disk, false, &e), 0);

        int r = image_set_read_only(tree, true, &e);
        if (r == -EOPNOTSUPP)
                return; /* no immutable flag on this file system */
        CHECK_EQ(r, 0, "%s", e.text);
        marked = image_free(marked);
        marked = get("tree");
        assert_true(marked->read_only);
        assert_int_equal(image_rename(marked, "stone", NULL, &e), 0);
        renamed = get("stone");
        assert_true(renamed->read_only);
        assert_int_equal(image_remove(renamed, 0, NULL, &e), 0);
        assert_false(scratch_has("stone"));
}

int main(void) {
#define ROW(t) cmocka_unit_test_setup_teardown(t, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                ROW(test_lock),      ROW(test_lock_special), ROW(test_lock_of_dead),
                ROW(test_temporary), ROW(test_remove),       ROW(test_remove_is_one_step),
                ROW(test_refused),   ROW(test_rename),       ROW(test_read_only),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
