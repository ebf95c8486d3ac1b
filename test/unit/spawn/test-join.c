/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a join reads before it goes anywhere: records, limits, the environment it makes. */
#include "check.h"

#include "spawn/join-target.h"

static void test_record(void **state) {
        static const struct {
                const char *text;
                int r;
                pid_t leader;
                uid_t uid;
        } rows[] = {
                { "NAME=web\nLEADER=7\nUID=0\n", 0, 7, 0 },
                { "# private\nNAME=\"web\"\nLEADER=7\nLEADER_PIDFDID=9\nUID=1000\n", 0, 7, 1000 },
                { "NAME=web\nLEADER=7\n", 0, 7, 0 },
                { "NAME=web\n", -EBADMSG, 0, 0 },
                { "LEADER=7\n", -EBADMSG, 0, 0 },
                { "NAME=other\nLEADER=7\n", -EBADMSG, 0, 0 },
                { "NAME=web\nLEADER=1\n", -EBADMSG, 0, 0 },
                { "NAME=web\nLEADER=-7\n", -EBADMSG, 0, 0 },
                { "NAME=web\nLEADER=7\nUID=x\n", -EBADMSG, 0, 0 },
                { "NAME=web\nLEADER=7\nLEADER_PIDFDID=x\n", -EBADMSG, 0, 0 },
                { "NAME=web\nLEADER=7\nMONOTONIC=-1\n", -EBADMSG, 0, 0 },
                { "NAME=web\nLEADER='7\n", -EBADMSG, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                JoinRecord record = {};
                Error e = {};
                int r = join_record_parse("web", rows[i].text, strlen(rows[i].text), &record, &e);

                CHECK_EQ(r, rows[i].r, "row %zu", i);
                assert_true(r >= 0 || error_is_set(&e));
                CHECK_EQ(record.leader, rows[i].leader, "row %zu", i);
                CHECK_EQ(record.uid, rows[i].uid, "row %zu", i);
        }
}

static void test_limits(void **state) {
        static const char text[] = "Name:\tx\nUid:\t5\t524288\t0\t0\nGroups:\t\nCapBnd:\t"
                                   "00000000fdecafff\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        ProcessLimits l;

        CHECK_EQ(process_limits_parse(text, &l), 0, " ");
        assert_true(l.bounding == 0xfdecafff && l.no_new_privs && l.filtered && l.uid == 524288);
        CHECK_EQ(process_limits_parse("Name:\tx\nUid:\t5\t5\t5\t5\nCapBnd:\t0\nNoNewPrivs:\t0\n",
                                      &l),
                 0, "a kernel without filters");
        assert_true(!l.filtered && l.uid == 5);
        CHECK_EQ(process_limits_parse("Name:\tx\nUid:\t5\nCapBnd:\t0\nNoNewPrivs:\t0\n", &l),
                 -EINVAL, " ");
        CHECK_EQ(process_limits_parse("Name:\tx\nCapBnd:\t0\nNoNewPrivs:\t0\n", &l), -ENODATA, " ");
        CHECK_EQ(process_limits_parse("", &l), -ENODATA, " ");
}

static void test_environment(void **state) {
        static const char leader[] = "MARK=1\0PATH=/there\0HOME=/else\0NOTIFY_SOCKET=/n\0TERM=x\0"
                                     "no assignment\0LISTEN_FDS=3\0OVER=old\0=x";
        char name[] = "ann", home[] = "/home/ann", term[] = "TERM=vt100", over[] = "OVER=new";
        char *terminal[] = { term, NULL }, *add[] = { over, NULL };
        const User user = { .name = name, .home = home };
        _cleanup_strv_ char **env = NULL, **bare = NULL;

        CHECK_EQ(join_environment(leader, sizeof leader - 1, true, &user, terminal, add, &env), 0,
                 " ");
        CHECK_STR(strv_env_get(env, "MARK"), "1", " ");
        CHECK_STR(strv_env_get(env, "PATH"), "/there", " ");
        CHECK_STR(strv_env_get(env, "HOME"), "/home/ann", " ");
        CHECK_STR(strv_env_get(env, "SHELL"), "/bin/sh", " ");
        CHECK_STR(strv_env_get(env, "TERM"), "vt100", " ");
        CHECK_STR(strv_env_get(env, "OVER"), "new", " ");
        assert_true(!strv_env_get(env, "NOTIFY_SOCKET") && !strv_env_get(env, "LISTEN_FDS"));

        /* A first process with less rights has nothing to say. */
        CHECK_EQ(join_environment(leader, sizeof leader - 1, false, &user, NULL, NULL, &bare), 0,
                 " ");
        assert_true(!strv_env_get(bare, "MARK") && !strv_env_get(bare, "TERM"));
        assert_true(strstr(strv_env_get(bare, "PATH"), "/usr/bin"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_record),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_environment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
