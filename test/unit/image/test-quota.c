/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits on what images take, on file systems of the test's own: what is over the limit cannot be written. Skipped
 * where there are none, without root or loop devices. Where the kernel has no project quotas, the refusal is tested. */
#include "image/quota.h"

#include <sched.h>
#include <sys/mount.h>

#include "image/clone.h"
#include "image/pool.h"
#include "image/subvolume.h"
#include "scratch.h"

#define MIB (UINT64_C(1) << 20)

static bool mount_own(const char *make, const char *options) {
        char command[1024];

        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return false;
        (void) snprintf(command, sizeof(command),
                        "truncate -s 320M %1$s.img && %2$s %1$s.img >/dev/null 2>&1 && "
                        "mount -o loop%3$s %1$s.img %1$s 2>/dev/null",
                        scratch, make, options);
        return system(command) == 0;
}

static int teardown(void **state) {
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
        image_read_quota(i);
        return i;
}

/* Writes to a file until it does not go on. Return: how many MiB went in, at most @max. */
static unsigned fill(const char *name, unsigned max) {
        _cleanup_free_ char *block = malloc(MIB);
        _cleanup_fd_ int fd = open(in_scratch(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        unsigned n = 0;

        assert_true(fd >= 0 && block);
        for (size_t i = 0; i < MIB; i++)
                block[i] = (char) (i * 7 + i / 256);
        while (n < max && fd_write_all(fd, block, MIB) >= 0 && fsync(fd) >= 0)
                n++;
        return n;
}

static void check_limit(const char *name) {
        _cleanup_image_ Image *i = get(name), *now = NULL, *off = NULL;
        char file[128];
        Error e = {};

        CHECK_EQ(image_set_limit(i, 16 * MIB, &e), 0, "%s", e.text);
        now = get(name);
        assert_int_equal(now->limit, 16 * MIB);
        (void) snprintf(file, sizeof(file), "%s/etc/file", name);
        unsigned n = fill(file, 40);
        CHECK_EQ(n >= 8 && n <= 16, true, "%u", n);
        now = image_free(now);
        now = get(name);
        CHECK_EQ(now->usage >= 8 * MIB && now->usage <= 17 * MIB, true, "%ju",
                 (uintmax_t) now->usage);

        CHECK_EQ(image_set_limit(now, UINT64_MAX, &e), 0, "%s", e.text);
        off = get(name);
        assert_true(off->limit == UINT64_MAX);
        assert_int_equal(fill(file, 20), 20);
}

static void check_project(const char *make, const char *plain) {
        _cleanup_image_ Image *one = NULL, *two = NULL, *copy = NULL;
        Error e = {};

        bool counted = mount_own(make, ",prjquota");
        if (!counted && !mount_own(plain, ""))
                skip();
        scratch_dir("one/etc");
        scratch_dir("two/etc");
        one = get("one");
        if (!counted) { /* a kernel without project quotas says so */
                assert_int_equal(image_set_limit(one, 16 * MIB, &e), -EOPNOTSUPP);
                return;
        }
        assert_true(one->limit == UINT64_MAX && one->usage == UINT64_MAX);
        check_limit("one");

        /* Another has a project of its own, and a copy none. */
        two = get("two");
        CHECK_EQ(image_set_limit(two, 8 * MIB, &e), 0, "%s", e.text);
        assert_true(fill("two/file", 40) <= 8);
        assert_true(fill("one/more", 30) == 30);
        CHECK_EQ(image_clone(two, "copy", 0, &e), 0, "%s", e.text);
        copy = get("copy");
        assert_true(copy->limit == UINT64_MAX);
        assert_int_equal(fill("copy/file", 12), 12);
}

static void test_ext4(void **state) {
        check_project("mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota", "mkfs.ext4 -q -F");
}

static void test_xfs(void **state) {
        check_project("mkfs.xfs -q -f", "mkfs.xfs -q -f");
}

static void test_not_counted(void **state) {
        _cleanup_image_ Image *i = NULL;
        Error e = {};

        if (!mount_own("mkfs.ext4 -q -F", ""))
                skip();
        scratch_dir("one/etc");
        i = get("one");
        assert_int_equal(image_set_limit(i, 16 * MIB, &e), -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "prjquota"));
        assert_int_equal(pool_set_limit(16 * MIB, &e), -EOPNOTSUPP);
}

static void test_btrfs(void **state) {
        _cleanup_image_ Image *i = NULL;
        Error e = {};
        char command[256];

        if (!mount_own("mkfs.btrfs -q -f", ""))
                skip();
        _cleanup_fd_ int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(subvolume_create(fd, "one"), 0);
        scratch_dir("one/etc");
        i = get("one");
        /* Off, and nobody turns it on by the way. */
        assert_int_equal(image_set_limit(i, 16 * MIB, &e), -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "btrfs quota enable"));
        i = image_free(i);
        i = get("one");
        assert_true(i->usage == UINT64_MAX);

        (void) snprintf(command, sizeof(command),
                        "btrfs quota enable %1$s && btrfs quota rescan -w %1$s >/dev/null",
                        scratch);
        assert_int_equal(system(command), 0);
        check_limit("one");
}

static PoolUsage usage(void) {
        PoolUsage u;

        pool_usage(&u);
        return u;
}

/* The numbers are there when all has been written and counted. */
static void settle(const char *where) {
        char command[256];

        (void) snprintf(command, sizeof(command),
                        "btrfs filesystem sync %1$s && btrfs quota rescan -w %1$s >/dev/null",
                        where);
        assert_int_equal(system(command), 0);
}

/* A limit of the pool is one of all images together, old and new, each of which may have its own. */
static void test_btrfs_pool(void **state) {
        _cleanup_image_ Image *one = NULL;
        Error e = {};

        if (!mount_own("mkfs.btrfs -q -f", ""))
                skip();
        /* It has nothing else in it. */
        assert_true(usage().limit == 320 * MIB && usage().usage < 64 * MIB);
        assert_int_equal(pool_set_limit(40 * MIB, &e), -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "btrfs quota enable"));

        scratch_dir("pool");
        assert_int_equal(rmdir(in_scratch("pool")), 0);
        _cleanup_fd_ int top = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(subvolume_create(top, "pool"), 0);
        assert_int_equal(setenv("SKEP_POOL", in_scratch("pool"), 1), 0);
        assert_true(usage().limit == UINT64_MAX && usage().usage == UINT64_MAX);
        _cleanup_fd_ int fd = open(in_scratch("pool"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(subvolume_create(fd, "one"), 0);
        assert_int_equal(fill("pool/one/file", 12), 12);
        char command[256];
        (void) snprintf(command, sizeof(command), "btrfs quota enable %s", scratch);
        assert_int_equal(system(command), 0);
        settle(scratch);
        assert_true(usage().limit == UINT64_MAX && usage().usage == UINT64_MAX);

        CHECK_EQ(pool_set_limit(40 * MIB, &e), 0, "%s", e.text);
        settle(scratch);
        assert_true(usage().limit == 40 * MIB);
        CHECK_EQ(usage().usage >= 12 * MIB && usage().usage < 14 * MIB, true, "%ju",
                 (uintmax_t) usage().usage);
        /* One that is made now counts as well; a clone counts for what is its own. */
        assert_int_equal(subvolume_create(fd, "two"), 0);
        assert_int_equal(fill("pool/two/file", 12), 12);
        one = get("one");
        CHECK_EQ(image_clone(one, "copy", 0, &e), 0, "%s", e.text);
        settle(scratch);
        CHECK_EQ(usage().usage >= 24 * MIB && usage().usage < 27 * MIB, true, "%ju",
                 (uintmax_t) usage().usage);
        CHECK_EQ(image_set_limit(one, 16 * MIB, &e), 0, "%s", e.text);
        assert_true(fill("pool/one/more", 12) <= 4);
        assert_true(fill("pool/copy/more", 40) <= 14);

        CHECK_EQ(pool_set_limit(UINT64_MAX, &e), 0, "%s", e.text);
        assert_true(usage().limit == UINT64_MAX && fill("pool/two/more", 30) == 30);
}

/* What has a file system of its own takes what that says, and may take all of it. */
static void test_pool_of_its_own(void **state) {
        Error e = {};

        if (!mount_own("mkfs.ext4 -q -F", ""))
                skip();
        uint64_t before = usage().usage;
        assert_true(usage().limit > 200 * MIB && usage().limit < 320 * MIB);
        assert_int_equal(fill("file", 20), 20);
        CHECK_EQ(usage().usage >= before + 20 * MIB && usage().usage < before + 22 * MIB, true,
                 "%ju", (uintmax_t) usage().usage);
        assert_int_equal(pool_set_limit(40 * MIB, &e), -EOPNOTSUPP);
        scratch_dir("pool");
        assert_int_equal(setenv("SKEP_POOL", in_scratch("pool"), 1), 0);
        assert_true(usage().limit == UINT64_MAX && usage().usage == UINT64_MAX);
}

static void test_disk(void **state) {
        _cleanup_image_ Image *i = NULL, *now = NULL;
        Error e = {};

        NEED_ROOT();
        scratch_file("disk.raw", "x");
        i = get("disk");
        CHECK_EQ(image_set_limit(i, 4 * MIB, &e), 0, "%s", e.text);
        now = get("disk");
        assert_int_equal(now->limit, 4 * MIB);
        assert_true(now->usage < MIB);
        assert_int_equal(image_set_limit(now, MIB, &e), -EINVAL);
        assert_int_equal(image_set_limit(now, UINT64_MAX, &e), -EOPNOTSUPP);
}

int main(void) {
#define ROW(t) cmocka_unit_test_setup_teardown(t, scratch_setup, teardown)
        const struct CMUnitTest tests[] = {
                ROW(test_ext4),
                ROW(test_xfs),
                ROW(test_btrfs),
                ROW(test_not_counted),
                ROW(test_disk),
                ROW(test_btrfs_pool),
                ROW(test_pool_of_its_own),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
