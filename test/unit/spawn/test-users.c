/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* passwd and group files of images, good and bad ones. */
#include "check.h"

#include "spawn/users.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "short:x:5\n"
                             "ann:x:1000:1001:Ann,,,:/home/ann:/bin/bash\n"
                             "\n"
                             "bad:x:-1:0::/:\n"
                             ":x:7:7::/:/bin/sh\n"
                             "relative:x:8:8::home:bin/sh\n"
                             "huge:x:4294967295:0::/:\n"
                             "1234:x:9:9::/nine:/bin/sh\n"
                             "last:x:10:10::/ten:/bin/sh";

static const struct {
        const char *who;
        int r;
        uid_t uid;
        gid_t gid;
        const char *home, *shell;
} rows[] = {
        { "root", 0, 0, 0, "/root", "/bin/sh" },
        { "0", 0, 0, 0, "/root", "/bin/sh" },
        { "ann", 0, 1000, 1001, "/home/ann", "/bin/bash" },
        { "1000", 0, 1000, 1001, "/home/ann", "/bin/bash" },
        { "relative", 0, 8, 8, "/", NULL },
        { "last", 0, 10, 10, "/ten", "/bin/sh" },
        { "1234", -ESRCH, 0, 0, NULL, NULL }, /* a number is a number */
        { "short", -EBADMSG, 0, 0, NULL, NULL },
        { "bad", -EBADMSG, 0, 0, NULL, NULL },
        { "huge", -EBADMSG, 0, 0, NULL, NULL },
        { "5", -ESRCH, 0, 0, NULL, NULL },
        { "", -ESRCH, 0, 0, NULL, NULL },
        { "nobody", -ESRCH, 0, 0, NULL, NULL },
};

static void test_passwd(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(user_done) User u = {};

                CHECK_EQ(users_parse_passwd(passwd, rows[i].who, &u), rows[i].r, "row %zu '%s'", i,
                         rows[i].who);
                CHECK_EQ(u.uid, rows[i].uid, "row %zu '%s'", i, rows[i].who);
                CHECK_EQ(u.gid, rows[i].gid, "row %zu '%s'", i, rows[i].who);
                CHECK_STR(u.home, rows[i].home, "row %zu '%s'", i, rows[i].who);
                CHECK_STR(u.shell, rows[i].shell, "row %zu '%s'", i, rows[i].who);
        }
}

static void test_groups(void **state) {
        static const char group[] = "root:x:0:\nadm:x:4:bob,ann\nanna:x:6:anna,xann,annx\n"
                                    "ann:x:1001:ann\nbad:x:y:ann\nshort:x:9\nlast:x:12:ann";
        static const gid_t should[] = { 1001, 4, 12 };
        _cleanup_(user_done) User u = {};

        (void) state;
        assert_int_equal(users_parse_passwd(passwd, "ann", &u), 0);
        assert_int_equal(users_parse_groups(group, &u), 0);
        assert_int_equal(u.n_groups, ELEMENTSOF(should));
        for (size_t i = 0; i < ELEMENTSOF(should); i++)
                CHECK_EQ(u.groups[i], should[i], "group %zu", i);
}

static void test_too_many_groups(void **state) {
        _cleanup_(user_done) User u = {};
        _cleanup_(buf_done) Buf text = {};

        (void) state;
        for (unsigned i = 1; i <= USERS_GROUPS_MAX; i++)
                assert_se(buf_printf(&text, "g:x:%u:root\n", 100000 + i) >= 0);
        assert_int_equal(users_parse_passwd(passwd, "root", &u), 0);
        assert_int_equal(users_parse_groups(text.p, &u), -E2BIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_passwd),
                cmocka_unit_test(test_groups),
                cmocka_unit_test(test_too_many_groups),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
