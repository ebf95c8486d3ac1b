/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "machined/account.h"
#include "machined/session.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "broken line\n"
                             "bad:x:abc:1::/:/bin/sh\n"
                             "\n"
                             "worker:x:1000:1001:W,,,:/home/worker:/bin/zsh\n"
                             "nohome:x:1002:1002:::\n"
                             "twice:x:1:1::/one:/bin/sh\n"
                             "twice:x:2:2::/two:/bin/sh\n"
                             "last:x:1003:1003::/l:/bin/l";
static const char group[] = "root:x:0:\n"
                            "adm:x:4:syslog,worker\n"
                            "own:x:1001:worker\n"
                            "not:x:5:workers,aworker\n"
                            "bad:x:q:worker\n"
                            "wheel:x:10:worker";

static void test_users(void **state) {
        static const struct {
                const char *user, *name, *home, *shell;
                uid_t uid;
                gid_t gid;
                size_t n_groups;
        } rows[] = {
                { "root", "root", "/root", "/bin/bash", 0, 0, 0 },
                { "worker", "worker", "/home/worker", "/bin/zsh", 1000, 1001, 2 },
                { "1000", "worker", "/home/worker", "/bin/zsh", 1000, 1001, 2 },
                { "nohome", "nohome", "/", "/bin/sh", 1002, 1002, 0 },
                { "twice", "twice", "/one", "/bin/sh", 1, 1, 0 },
                { "last", "last", "/l", "/bin/l", 1003, 1003, 0 },
                { "4711", "4711", "/", "/bin/sh", 4711, 4711, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(account_done) Account a = {};
                Error e = {};
                CHECK_EQ(account_parse(passwd, group, rows[i].user, &a, &e), 0, "%s: %s",
                         rows[i].user, e.text);
                CHECK_STR(a.name, rows[i].name, "%s", rows[i].user);
                CHECK_STR(a.home, rows[i].home, "%s", rows[i].user);
                CHECK_STR(a.shell, rows[i].shell, "%s", rows[i].user);
                CHECK_EQ(a.uid, rows[i].uid, "%s", rows[i].user);
                CHECK_EQ(a.gid, rows[i].gid, "%s", rows[i].user);
                CHECK_EQ(a.n_groups, rows[i].n_groups, "%s", rows[i].user);
        }
}

static void test_unknown(void **state) {
        static const char *const users[] = { "nobody", "bad", "broken line", "work",
                                             "",       "-1",  "4294967295",  "65535" };

        for (size_t i = 0; i < ELEMENTSOF(users); i++) {
                Account a = {};
                Error e = {};
                CHECK_EQ(account_parse(passwd, group, users[i], &a, &e), -ENOENT, "'%s'", users[i]);
                assert_null(a.name);
        }
}

static void test_no_files(void **state) {
        _cleanup_(account_done) Account a = {};

        CHECK_EQ(account_parse("", "", "root", &a, NULL), 0, "root is always there");
        CHECK_STR(a.home, "/root", "home");
        CHECK_STR(a.shell, "/bin/sh", "shell");
}

static void test_ends(void **state) {
        SessionEnd ends[] = { { SESSION_EXITED, 7, {} },
                              { SESSION_KILLED, 9, {} },
                              { SESSION_FAILED, 0, { -EIO, "gone" } } };
        static const char *const lines[] = { "exited 7\n", "killed 9\n", "failed gone\n" };

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                _cleanup_(buf_done) Buf b = {};
                CHECK_EQ(session_end_format(ends + i, &b), 0, "row %zu", i);
                CHECK_STR(b.p, lines[i], "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_users),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_no_files),
                cmocka_unit_test(test_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
