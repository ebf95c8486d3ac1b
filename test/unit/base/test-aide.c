/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Aides: this program starts itself as one. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/aide.h"

static char self[4096];

static int start(Aide *a, const char *what, const int *fds, size_t n_fds, Error *e) {
        char *argv[] = { (char *) what, NULL };

        return aide_start(a, self, argv, fds, n_fds, e);
}

/* What this program does as an aide. */
static int aide_main(const char *what) {
        Error e = {};

        if (streq(what, "die"))
                (void) raise(SIGKILL);
        if (streq(what, "wait"))
                (void) pause();
        if (streq(what, "fail"))
                return aide_end(error_set(&e, EBUSY, "it is taken"), &e);
        for (int i = 0; i < 2; i++) {
                char digit = (char) ('0' + i);
                if (write(AIDE_FDS + i, &digit, 1) != 1)
                        return aide_end(error_set(&e, errno, "descriptor %d: %m", i), &e);
        }
        if (fcntl(AIDE_FDS + 2, F_GETFD) >= 0)
                return aide_end(error_set(&e, EINVAL, "there is one more"), &e);
        return aide_end(0, NULL);
}

static void test_descriptors_come_in_order(void **state) {
        _cleanup_(aide_done) Aide a = AIDE_NULL;
        int one[2], two[2];
        char c = 0;
        Error e = {};

        (void) state;
        assert_int_equal(pipe2(one, O_CLOEXEC), 0);
        assert_int_equal(pipe2(two, O_CLOEXEC), 0);
        /* They are numbers that the aide is given something else at. */
        assert_int_equal(start(&a, "write", (int[]){ two[1], one[1] }, 2, &e), 0);
        assert_int_equal(aide_finish(&a, &e), 0);
        assert_int_equal(read(two[0], &c, 1), 1);
        assert_int_equal(c, '0');
        assert_int_equal(read(one[0], &c, 1), 1);
        assert_int_equal(c, '1');
        for (int i = 0; i < 2; i++) {
                (void) close(one[i]);
                (void) close(two[i]);
        }
}

static void test_error_is_the_aides(void **state) {
        _cleanup_(aide_done) Aide a = AIDE_NULL;
        Error e = {};

        (void) state;
        assert_int_equal(start(&a, "fail", NULL, 0, &e), 0);
        assert_int_equal(aide_finish(&a, &e), -EBUSY);
        assert_string_equal(e.text, "it is taken");
}

static void test_death_is_told(void **state) {
        _cleanup_(aide_done) Aide a = AIDE_NULL;
        Error e = {};

        (void) state;
        assert_int_equal(start(&a, "die", NULL, 0, &e), 0);
        assert_int_equal(aide_finish(&a, &e), -EPIPE);
        assert_non_null(strstr(e.text, "died before it was done"));
}

static void test_missing_program_is_told(void **state) {
        _cleanup_(aide_done) Aide a = AIDE_NULL;
        char *none[] = { NULL };
        Error e = {};

        (void) state;
        assert_int_equal(aide_start(&a, "no-such-aide", none, NULL, 0, &e), 0);
        assert_int_equal(aide_finish(&a, &e), -ENOPKG);
        assert_non_null(strstr(e.text, "no-such-aide"));
}

static void test_one_that_is_not_waited_for_is_ended(void **state) {
        _cleanup_(aide_done) Aide a = AIDE_NULL;
        Error e = {};

        (void) state;
        assert_int_equal(start(&a, "wait", NULL, 0, &e), 0);
        aide_done(&a);
        assert_int_equal(a.pidfd, -EBADF);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(int argc, char **argv) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptors_come_in_order),
                cmocka_unit_test(test_error_is_the_aides),
                cmocka_unit_test(test_death_is_told),
                cmocka_unit_test(test_missing_program_is_told),
                cmocka_unit_test(test_one_that_is_not_waited_for_is_ended),
        };

        if (argc == 2)
                return aide_main(argv[1]);
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        assert_se(n > 0);
        char *slash = strrchr(self, '/');
        *slash = '\0';
        assert_se(setenv("SKEP_LIBEXECDIR", self, 1) == 0);
        memmove(self, slash + 1, strlen(slash + 1) + 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
