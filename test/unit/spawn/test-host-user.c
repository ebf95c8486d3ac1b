/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users of the host: where they are found, which are refused, what IDs and records they get inside. */
#include "check.h"

#include <ftw.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "spawn/bound-user.h"

static char top[] = "/tmp/skep-host-user-XXXXXX";

static int setup(void **state) {
        (void) state;
        return mkdtemp(top) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void) st;
        (void) type;
        (void) where;
        return remove(path);
}

static int teardown(void **state) {
        (void) state;
        return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text) {
        _cleanup_free_ char *full = str_format("%s%s", top, path), *parent = NULL;

        parent = strndup(full, (size_t) (path_last(full) - full));
        assert_se(path_mkdirs(parent, 0755) >= 0);
        assert_se(file_write(AT_FDCWD, full, text, O_CREAT | O_TRUNC, 0644) >= 0);
}

static void test_find(void **state) {
        static const struct {
                const char *name;
                int r;
                uid_t uid;
                const char *home, *shell, *password, *key;
        } rows[] = {
                { "ann", 0, 1000, "/home/ann", "/bin/zsh", "$6$abcdefgh$0123456789", NULL },
                { "locked", 0, 1001, "/home/locked", NULL, NULL, NULL },
                { "json", 0, 5000, "/home/json", "/bin/sh", "$y$hash-of-json", "ssh-ed25519 AAAA" },
                { "run", 0, 5001, "/home/run", NULL, NULL, NULL },
                { "mixed", 0, 1002, "/", NULL, NULL, NULL },
                { "root", -EINVAL, 0, NULL, NULL, NULL, NULL },
                { "nobody", -EINVAL, 0, NULL, NULL, NULL, NULL },
                { "shared", -EINVAL, 0, NULL, NULL, NULL, NULL },
                { "other", -EINVAL, 0, NULL, NULL, NULL, NULL },
                { "bad", -EBADMSG, 0, NULL, NULL, NULL, NULL },
                { "worse", -EBADMSG, 0, NULL, NULL, NULL, NULL },
                { "missing", -ESRCH, 0, NULL, NULL, NULL, NULL },
                { "1000", -EINVAL, 0, NULL, NULL, NULL, NULL },
                { "../ann", -EINVAL, 0, NULL, NULL, NULL, NULL },
                { "", -EINVAL, 0, NULL, NULL, NULL, NULL },
        };

        (void) state;
        put("/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000:Ann A.,1,2:/home/ann:/bin/zsh\n"
            "locked:x:1001:1001::/home/locked:\nnobody:x:65534:65534::/:\n"
            "shared:x:1003:100::/:\nother:x:1004:1004::/:\nbad:x:99999999999:1::/:\n"
            "mixed:x:1002:1002::relative:\n");
        put("/etc/group", "root:x:0:\nann:x:1000:\nlocked:x:1001:\nnobody:x:65534:\nusers:x:100:\n"
                          "other:x:7:\n");
        put("/etc/shadow",
            "root:*:1::::::\nann:$6$abcdefgh$0123456789:1::::::\nlocked:!$6$abcdefgh:1::::\n");
        put("/etc/userdb/json.user",
            "{\"userName\":\"json\",\"uid\":5000,\"gid\":5000,\"realName\":\"J\","
            "\"homeDirectory\":\"/home/json\",\"shell\":\"/bin/sh\"}");
        put("/etc/userdb/json.user-privileged",
            "{\"privileged\":{\"hashedPassword\":[\"$y$hash-of-json\"],"
            "\"sshAuthorizedKeys\":[\"ssh-ed25519 AAAA\"]}}");
        put("/etc/userdb/json.group", "{\"groupName\":\"json\",\"gid\":5000}");
        put("/run/userdb/run.user",
            "{\"userName\":\"run\",\"uid\":5001,\"gid\":5001,\"homeDirectory\":\"/home/run\"}");
        put("/usr/lib/userdb/run.group", "{\"groupName\":\"run\",\"gid\":5001}");
        put("/usr/lib/userdb/mixed.group", "{\"groupName\":\"mixed\",\"gid\":1002}");
        put("/etc/userdb/worse.user", "{\"userName\":\"worse\",\"uid\":\"5\"");

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(host_user_done) HostUser u = {};
                Error e = {};

                CHECK_EQ(host_user_find(top, rows[i].name, &u, &e), rows[i].r, "row %zu '%s': %s",
                         i, rows[i].name, e.text);
                CHECK_EQ(u.uid, rows[i].uid, "row %zu '%s'", i, rows[i].name);
                CHECK_STR(u.home, rows[i].home, "row %zu '%s'", i, rows[i].name);
                CHECK_STR(u.shell, rows[i].shell, "row %zu '%s'", i, rows[i].name);
                CHECK_STR(u.passwords ? u.passwords[0] : NULL, rows[i].password, "row %zu '%s'", i,
                          rows[i].name);
                CHECK_STR(u.ssh_keys ? u.ssh_keys[0] : NULL, rows[i].key, "row %zu '%s'", i,
                          rows[i].name);
        }
}

static void make(BoundUser *u, const char *name) {
        *u = (BoundUser){ .host.name = strdup(name), .home_fd = -EBADF };
        assert_non_null(u->host.name);
}

static void test_assign(void **state) {
        static const struct {
                const char *passwd, *group;
                uint32_t first, length; /* IDs that the machine has besides the first thousand */
                int r;
                uid_t uid[2];
        } rows[] = {
                { "", "", 1000, 64536, 0, { 60514, 60515 } },
                { "x:x:60514:5::/:\n", "g:x:60516:\n", 1000, 64536, 0, { 60515, 60517 } },
                { "", "", 60515, 1, -EBUSY, {} },
                { "", "", 60576, 100, 0, { 60576, 60577 } },
                { "", "", 60577, 100, -EBUSY, {} },
                { "", "", 70000, 100, -ENXIO, {} },
                { "ann:x:5:5::/:\n", "", 1000, 64536, -EBUSY, {} },
                { "", "bob:x:5:\n", 1000, 64536, -EBUSY, {} },
                { "anna:x:5:5::/:\nxann:x:6:6::/:", "ann", 1000, 64536, -EBUSY, {} },
                { "anna:x:5:5::/:\nxann:x:6:6::/:", "a\n:::\n", 1000, 64536, 0, { 60514, 60515 } },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                BoundUsers b = { .list = calloc(2, sizeof *b.list), .n = 2 };
                IdRanges ids = id_ranges_one(0, 0x100000, 1000);
                Error e = {};

                assert_int_equal(id_ranges_add(&ids, rows[i].first, 0x200000, rows[i].length, NULL),
                                 0);
                make(b.list, "ann");
                make(b.list + 1, "bob");
                CHECK_EQ(bound_users_assign(&b, rows[i].passwd, rows[i].group, &ids, &e), rows[i].r,
                         "row %zu: %s", i, e.text);
                for (size_t j = 0; j < 2 && rows[i].r == 0; j++)
                        CHECK_EQ(b.list[j].uid, rows[i].uid[j], "row %zu", i);
                host_user_done(&b.list[0].host);
                host_user_done(&b.list[1].host);
                free(b.list);
        }
}

static void test_named_twice(void **state) {
        BoundUser list[2];
        BoundUsers b = { .list = list, .n = 2 };
        IdRanges ids = id_ranges_one(0, 0x100000, 65536);

        (void) state;
        make(list, "ann");
        make(list + 1, "ann");
        assert_int_equal(bound_users_assign(&b, "", "", &ids, NULL), -EINVAL);
        host_user_done(&list[0].host);
        host_user_done(&list[1].host);
}

/* What we write is what we would read. */
static void test_records(void **state) {
        char *passwords[] = { (char *) "$6$a\"b", (char *) "x\\y", NULL };
        char *keys[] = { (char *) "ssh-ed25519 A ann@host", NULL };
        BoundUser u = { .host = { .name = (char *) "ann",
                                  .real_name = (char *) "A \"A\" \xc3\xa4",
                                  .passwords = passwords,
                                  .ssh_keys = keys },
                        .uid = 60514 };
        _cleanup_(buf_done) Buf user = {}, secret = {}, group = {};
        _cleanup_(host_user_done) HostUser again = {};
        const char *value;
        uint64_t gid;

        (void) state;
        assert_int_equal(bound_user_format(&u, "/bin/sh", "user", &user), 0);
        assert_int_equal(bound_user_format(&u, NULL, "user-privileged", &secret), 0);
        assert_int_equal(bound_user_format(&u, NULL, "group", &group), 0);
        assert_int_equal(host_user_parse(user.p, secret.p, "ann", &again, NULL), 0);
        assert_int_equal(again.uid, 60514);
        assert_int_equal(again.gid, 60514);
        assert_string_equal(again.home, "/run/host/home/ann");
        assert_string_equal(again.shell, "/bin/sh");
        assert_string_equal(again.real_name, u.host.real_name);
        assert_string_equal(again.passwords[0], passwords[0]);
        assert_string_equal(again.passwords[1], passwords[1]);
        assert_string_equal(again.ssh_keys[0], keys[0]);
        assert_int_equal(json_check(group.p), 0);
        assert_int_equal(json_member(group.p, "gid", &value), 0);
        assert_int_equal(json_unsigned(value, &gid), 0);
        assert_int_equal(gid, 60514);
        assert_null(strstr(user.p, "$6$"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_assign),
                cmocka_unit_test(test_named_twice),
                cmocka_unit_test(test_records),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
