/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keeper over a process of our own in the place of PID 1, and the notification protocol. */
#include "spawn/keeper.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/proc.h"
#include "check.h"
#include "spawn/console.h"
#include "spawn/notify.h"

static void test_status(void **state) {
        static const struct {
                int code, status, result, exit;
        } rows[] = {
                { CLD_EXITED, 0, KEEPER_EXITED, 0 },
                { CLD_EXITED, 3, KEEPER_EXITED, 3 },
                { CLD_EXITED, 133, KEEPER_EXITED, 1 },
                { CLD_KILLED, SIGINT, KEEPER_EXITED, 0 },
                { CLD_KILLED, SIGHUP, KEEPER_REBOOT, -1 },
                { CLD_KILLED, SIGKILL, KEEPER_EXITED, 137 },
                { CLD_DUMPED, SIGSEGV, KEEPER_EXITED, 139 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                siginfo_t info = { .si_code = rows[i].code };
                int status = -1;

                info.si_status = rows[i].status;
                CHECK_EQ(keeper_status(&info, &status), rows[i].result, "row %zu", i);
                CHECK_EQ(status, rows[i].exit, "row %zu", i);
        }
}

static void test_parse(void **state) {
        static const struct {
                const char *text;
                bool ready;
                const char *status;
        } rows[] = {
                { "READY=1", true, NULL },
                { "READY=1\nSTATUS=Up.", true, "Up." },
                { "STATUS=a\tb\x1b[0m\nMAINPID=1\nEXIT_STATUS=0", false, "a b [0m" },
                { "READY=0\nREADY=11\nXREADY=1", false, NULL },
                { "STATUS=one\nSTATUS=two", false, "two" },
                { "", false, NULL },
        };
        NotifyMessage m = {};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_EQ(notify_parse(rows[i].text, strlen(rows[i].text), &m), 0, "row %zu", i);
                CHECK_EQ(m.ready, rows[i].ready, "row %zu", i);
                CHECK_STR(m.status, rows[i].status, "row %zu", i);
                notify_message_done(&m);
        }
        static const struct {
                const char *text;
                bool store, forget;
                const char *name;
        } fd_rows[] = {
                { "FDSTORE=1\nFDNAME=a-b", true, false, "a-b" },
                { "FDSTORE=1", true, false, NULL },
                { "FDSTOREREMOVE=1\nFDNAME=x", false, true, "x" },
                { "FDSTORE=1\nFDNAME=a:b", true, false, NULL },
                { "FDSTORE=1\nFDNAME=a b", true, false, NULL },
                { "FDSTORE=1\nFDNAME=", true, false, NULL },
                { "FDSTORE=0\nXFDSTORE=1", false, false, NULL },
        };
        for (size_t i = 0; i < ELEMENTSOF(fd_rows); i++) {
                CHECK_EQ(notify_parse(fd_rows[i].text, strlen(fd_rows[i].text), &m), 0, "row %zu",
                         i);
                CHECK_EQ(m.store, fd_rows[i].store, "row %zu", i);
                CHECK_EQ(m.forget, fd_rows[i].forget, "row %zu", i);
                CHECK_STR(m.fd_name, fd_rows[i].name, "row %zu", i);
                notify_message_done(&m);
        }

        assert_int_equal(notify_parse("READY=1\xff", 8, &m), -EINVAL);
        assert_int_equal(notify_parse("READY\0=1", 8, &m), -EINVAL);
}

/* A machine whose PID 1 is a child of the test. */
typedef struct Bed {
        Spec spec;
        Run run;
        int manager;     /* where $NOTIFY_SOCKET leads */
        char inside[64]; /* the machine's notify socket */
        char to_manager[64];
} Bed;

static struct sockaddr_un address_of(const char *path) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        (void) snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
        return a;
}

static void bed_init(Bed *b) {
        spec_init(&b->spec);
        b->spec.console = CONSOLE_PIPE;
        b->run = RUN_NULL;
        assert_int_equal(keeper_prepare(&b->spec, &b->run, NULL), 0);

        (void) snprintf(b->inside, sizeof b->inside, "/tmp/test-keeper-in-%d", getpid());
        (void) snprintf(b->to_manager, sizeof b->to_manager, "/tmp/test-keeper-out-%d", getpid());
        struct sockaddr_un in = address_of(b->inside), out = address_of(b->to_manager);
        assert_int_equal(bind(b->run.notify_fd, (struct sockaddr *) &in, sizeof in), 0);
        b->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(b->manager, (struct sockaddr *) &out, sizeof out), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", b->to_manager, 1), 0);
}

static void release_signals(void) {
        sigset_t none;

        (void) signal(SIGPIPE, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

static void bed_done(Bed *b) {
        (void) unlink(b->inside);
        (void) unlink(b->to_manager);
        (void) unsetenv("NOTIFY_SOCKET");
        (void) close(b->manager);
        (void) close(b->run.notify_fd);
        (void) close(b->run.leader_fd);
        release_signals();
}

static void bed_start(Bed *b, void (*payload)(const Bed *b)) {
        b->run.leader = fork();
        assert_true(b->run.leader >= 0);
        if (b->run.leader == 0) {
                release_signals();
                payload(b);
                _exit(99);
        }
        b->run.leader_fd = proc_pidfd_open(b->run.leader);
        assert_true(b->run.leader_fd >= 0);
}

/* All that the manager was told, its messages joined by '|'. */
static void check_told(const Bed *b, const char *what, bool told) {
        char all[4096] = "", text[1024];
        ssize_t n;

        while ((n = recv(b->manager, text, sizeof text - 1, MSG_DONTWAIT)) >= 0) {
                text[n] = '\0';
                strncat(all, "|", sizeof all - strlen(all) - 1);
                strncat(all, text, sizeof all - strlen(all) - 1);
        }
        if (!strstr(all, what) == told)
                fail_msg("'%s' %s in '%s'", what, told ? "is not" : "is", all);
}

static void exit_three(const Bed *b) {
        _exit(3);
}

static void test_exit(void **state) {
        int status = -1;
        Bed b;

        bed_init(&b);
        bed_start(&b, exit_three);
        assert_int_equal(keeper_run(&b.spec, &b.run, &status, NULL), KEEPER_EXITED);
        assert_int_equal(status, 3);
        assert_int_equal(b.run.leader, 0);
        check_told(&b, "READY=1", true);
        bed_done(&b);
}

static void wait_for_signal(const Bed *b) {
        for (;;)
                (void) pause();
}

/* Asked once, PID 1 gets the kill signal; without one, it is killed. */
static void test_stop(void **state) {
        static const struct {
                int kill_signal, status;
        } rows[] = { { SIGUSR1, 128 + SIGUSR1 }, { KILL_SIGNAL_UNSET, 128 + SIGKILL } };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int status = -1;
                Bed b;

                bed_init(&b);
                b.spec.kill_signal = rows[i].kill_signal;
                bed_start(&b, wait_for_signal);
                assert_int_equal(kill(getpid(), SIGTERM), 0);
                CHECK_EQ(keeper_run(&b.spec, &b.run, &status, NULL), KEEPER_EXITED, "row %zu", i);
                CHECK_EQ(status, rows[i].status, "row %zu", i);
                check_told(&b, "STOPPING=1", true);
                bed_done(&b);
        }
}

static void ignore_and_wait(const Bed *b) {
        (void) signal(SIGUSR1, SIG_IGN);
        (void) kill(getppid(), SIGTERM);
        (void) usleep(100 * 1000);
        (void) kill(getppid(), SIGINT);
        wait_for_signal(b);
}

static void test_stop_twice(void **state) {
        int status = -1;
        Bed b;

        bed_init(&b);
        b.spec.kill_signal = SIGUSR1;
        bed_start(&b, ignore_and_wait);
        assert_int_equal(keeper_run(&b.spec, &b.run, &status, NULL), KEEPER_EXITED);
        assert_int_equal(status, 128 + SIGKILL);
        bed_done(&b);
}

static void say(const Bed *b, const char *text) {
        struct sockaddr_un a = address_of(b->inside);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void) sendto(fd, text, strlen(text), 0, (struct sockaddr *) &a, sizeof a);
        (void) close(fd);
}

static void say_ready(const Bed *b) {
        say(b, "STATUS=Warming up.");
        say(b, "READY=1");
        (void) usleep(100 * 1000);
        _exit(0);
}

static void let_child_say_ready(const Bed *b) {
        pid_t pid = fork();

        if (pid == 0) {
                say(b, "READY=1");
                _exit(0);
        }
        (void) waitpid(pid, NULL, 0);
        (void) usleep(100 * 1000);
        _exit(0);
}

static void test_ready(void **state) {
        int status;
        Bed b;

        bed_init(&b);
        b.spec.notify_ready = true;
        bed_start(&b, say_ready);
        assert_int_equal(keeper_run(&b.spec, &b.run, &status, NULL), KEEPER_EXITED);
        check_told(&b, "|STATUS=Machine running: Warming up.|READY=1\n", true);
        bed_done(&b);
}

/* Nobody but PID 1 is believed. */
static void test_ready_from_child(void **state) {
        int status;
        Bed b;

        bed_init(&b);
        b.spec.notify_ready = true;
        bed_start(&b, let_child_say_ready);
        assert_int_equal(keeper_run(&b.spec, &b.run, &status, NULL), KEEPER_EXITED);
        check_told(&b, "READY=1", false);
        bed_done(&b);
}

static void test_watchdog(void **state) {
        int status;
        Bed b;

        bed_init(&b);
        assert_int_equal(setenv("WATCHDOG_USEC", "50000", 1), 0);
        bed_start(&b, say_ready);
        assert_int_equal(keeper_run(&b.spec, &b.run, &status, NULL), KEEPER_EXITED);
        check_told(&b, "WATCHDOG=1", true);
        (void) unsetenv("WATCHDOG_USEC");
        bed_done(&b);
}

static void test_console_resolve(void **state) {
        for (int m = 0; m < _CONSOLE_MODE_MAX; m++) {
                ConsoleMode r = console_resolve((ConsoleMode) m);

                assert_true(r != CONSOLE_AUTO && r != CONSOLE_AUTOPIPE);
                if (m != CONSOLE_AUTO && m != CONSOLE_AUTOPIPE)
                        assert_int_equal(r, m);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_exit),
                cmocka_unit_test(test_stop),
                cmocka_unit_test(test_stop_twice),
                cmocka_unit_test(test_ready),
                cmocka_unit_test(test_ready_from_child),
                cmocka_unit_test(test_watchdog),
                cmocka_unit_test(test_console_resolve),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
