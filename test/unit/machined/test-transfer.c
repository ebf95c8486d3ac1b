/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "machined/transfer-meta.h"

static IdRange identity_range = { 0, 0, UINT32_MAX };
static const IdMap identity = { 1, &identity_range };

static int setup(void **state) {
        char path[] = "/tmp/test-transfer-XXXXXX";

        if (!mkdtemp(path))
                return -1;
        int *fd = malloc(sizeof *fd);
        *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (mkdirat(*fd, "to", 0755) < 0 || mkdirat(*fd, "from", 0751) < 0 ||
            file_write(*fd, "from/file", "content", O_CREAT | O_EXCL, 0600) < 0 ||
            fchmodat(*fd, "from/file", 04755, 0) < 0 || mkdirat(*fd, "from/sub", 0700) < 0 ||
            file_write(*fd, "from/sub/deep", "deeper", O_CREAT | O_EXCL, 0640) < 0 ||
            symlinkat("/etc/passwd", *fd, "from/link") < 0 || mkfifoat(*fd, "from/fifo", 0600) < 0)
                return -1;
        *state = fd;
        return 0;
}

static int teardown(void **state) {
        char path[64], target[256] = "";
        int *fd = *state;

        (void) snprintf(path, sizeof path, "/proc/self/fd/%d", *fd);
        if (readlink(path, target, sizeof target - 1) < 0)
                return -1;
        (void) close(*fd);
        free(fd);
        return path_remove_tree(AT_FDCWD, target);
}

static Transfer plain(void) {
        return (Transfer){ .to_machine = true, .uids = &identity, .gids = &identity };
}

static mode_t mode_of(int dir, const char *path) {
        struct stat st;

        return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode;
}

static void test_tree(void **state) {
        int top = *(int *) *state;
        _cleanup_free_ char *text = NULL;
        char target[64] = "";
        Transfer t = plain();
        Error e = {};

        CHECK_EQ(transfer_copy(&t, top, "from", top, "copy", &e), 0, "%s", e.text);
        CHECK_EQ(mode_of(top, "copy") & 07777, 0751, "mode of the folder");
        CHECK_EQ(mode_of(top, "copy/file") & 07777, 04755, "mode of the file");
        CHECK_EQ(file_read(top, "copy/sub/deep", 100, &text, NULL), 0, "deep");
        CHECK_STR(text, "deeper", "deep");
        assert_true(readlinkat(top, "copy/link", target, sizeof target - 1) > 0);
        CHECK_STR(target, "/etc/passwd", "a symlink stays one");
        assert_true(S_ISFIFO(mode_of(top, "copy/fifo")));
}

static void test_existing(void **state) {
        int top = *(int *) *state;
        _cleanup_free_ char *text = NULL;
        Transfer t = plain();
        Error e = {};

        CHECK_EQ(transfer_copy(&t, top, "nothing", top, "one", &e), -ENOENT, "missing");
        assert_int_equal(file_write(top, "to/file", "old", O_CREAT | O_EXCL, 0600), 0);
        CHECK_EQ(transfer_copy(&t, top, "from", top, "to", &e), -EEXIST, "existing file");
        assert_non_null(strstr(e.text, "file"));
        t.replace = true;
        CHECK_EQ(transfer_copy(&t, top, "from", top, "to", &e), 0, "%s", e.text);
        CHECK_EQ(file_read(top, "to/file", 100, &text, NULL), 0, "replaced");
        CHECK_STR(text, "content", "replaced");
        CHECK_EQ(mode_of(top, "to") & 07777, 0755, "a folder that was there keeps its mode");
}

static void test_links_are_not_followed(void **state) {
        int top = *(int *) *state;
        _cleanup_free_ char *text = NULL;
        Transfer t = plain();

        t.replace = true;
        assert_int_equal(mkdirat(top, "outside", 0700), 0);
        assert_int_equal(file_write(top, "victim", "safe", O_CREAT | O_EXCL, 0600), 0);
        assert_int_equal(symlinkat("../outside", top, "to/sub"), 0);
        assert_int_equal(symlinkat("../victim", top, "to/file"), 0);
        CHECK_EQ(transfer_copy(&t, top, "from", top, "to", NULL), -EEXIST, "link for a folder");
        CHECK_EQ(mode_of(top, "outside/deep"), 0, "nothing went through the link");
        CHECK_EQ(file_read(top, "victim", 100, &text, NULL), 0, "victim");
        CHECK_STR(text, "safe", "nothing was written through the link");
}

static void test_privileges(void **state) {
        int top = *(int *) *state;
        Transfer t = plain();

        t.to_machine = false;
        t.drop_privileges = true;
        CHECK_EQ(transfer_copy(&t, top, "from", top, "copy", NULL), 0, "copy");
        CHECK_EQ(mode_of(top, "copy/file") & 07777, 0755, "setuid does not come out");
}

static void test_ids(void **state) {
        IdRange shifted_range = { 0, 100000, 65536 };
        const IdMap shifted = { 1, &shifted_range };
        Transfer in = { .to_machine = true, .uids = &shifted, .gids = &shifted }, out = in;

        out.to_machine = false;
        CHECK_EQ(transfer_id(&in, &shifted, 1000), 101000, "into the machine");
        CHECK_EQ(transfer_id(&in, &shifted, 70000), 100000, "no counterpart: its root");
        CHECK_EQ(transfer_id(&out, &shifted, 101000), 1000, "out of it");
        CHECK_EQ(transfer_id(&out, &shifted, 5), 0, "no counterpart: root");
}

static void test_access_lists(void **state) {
        /* Users 5 and 1005, group 7, as the kernel has them. */
        static const struct posix_acl_xattr_entry entries[] = {
                { .e_tag = ACL_USER_OBJ, .e_id = (uint32_t) -1 },
                { .e_tag = ACL_USER, .e_id = 5 },
                { .e_tag = ACL_USER, .e_id = 1005 },
                { .e_tag = ACL_GROUP, .e_id = 7 },
        };
        static IdRange two[] = { { 0, 100000, 1000 }, { 1000, 500000, 1000 } };
        static const uint32_t mapped[] = { (uint32_t) -1, 100005, 500005, 100007 };
        const IdMap map = { ELEMENTSOF(two), two };
        Transfer t = { .to_machine = true, .uids = &map, .gids = &map };
        uint32_t acl[1 + 2 * ELEMENTSOF(entries)] = { POSIX_ACL_XATTR_VERSION };

        memcpy(acl + 1, entries, sizeof entries);
        CHECK_EQ(transfer_map_acl(&t, acl, sizeof acl), 0, "there");
        for (size_t i = 0; i < ELEMENTSOF(mapped); i++)
                CHECK_EQ(acl[2 + 2 * i], mapped[i], "entry %zu", i);
        t.to_machine = false;
        CHECK_EQ(transfer_map_acl(&t, acl, sizeof acl), 0, "and back");
        for (size_t i = 0; i < ELEMENTSOF(mapped); i++)
                CHECK_EQ(acl[2 + 2 * i], entries[i].e_id, "entry %zu", i);
        CHECK_EQ(transfer_map_acl(&t, acl, sizeof acl - 1), -EINVAL, "cut short");
        acl[0] = 1;
        CHECK_EQ(transfer_map_acl(&t, acl, sizeof acl), -EINVAL, "of another version");
        CHECK_EQ(transfer_map_acl(&t, acl, 0), -EINVAL, "nothing");
}

static void test_holes(void **state) {
        int top = *(int *) *state;
        Transfer t = plain();
        struct stat st;
        Error e = {};

        _cleanup_fd_ int fd = openat(top, "from/holes", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                                     0600);
        assert_true(fd >= 0 && ftruncate(fd, 1 << 30) >= 0 && pwrite(fd, "x", 1, 1 << 29) == 1);
        CHECK_EQ(transfer_copy(&t, top, "from/holes", top, "holes", &e), 0, "%s", e.text);
        assert_true(transfer_size(top, "from") > 0 && transfer_size(top, "from") < 1 << 20);
        assert_true(fstatat(top, "holes", &st, 0) >= 0);
        CHECK_EQ(st.st_size, 1 << 30, "size");
        assert_true(st.st_blocks * 512 < 1 << 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
                cmocka_unit_test_setup_teardown(test_existing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_privileges, setup, teardown),
                cmocka_unit_test_setup_teardown(test_holes, setup, teardown),
                cmocka_unit_test(test_access_lists),
                cmocka_unit_test(test_ids),
        };
        if (geteuid() != 0)
                return 77; /* owners cannot be set */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
