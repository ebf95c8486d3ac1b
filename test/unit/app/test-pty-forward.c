/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pump, over real pseudo terminals and pipes. */
#include "app/pty-forward.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

typedef struct Bed {
        int master, slave; /* the pty under test */
        int in[2], out[2]; /* pipes that stand for stdin and stdout: [0] read, [1] write end */
        PtyForward f;
} Bed;

static void open_pty(int *ret_master, int *ret_slave) {
        *ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(*ret_master >= 0 && unlockpt(*ret_master) == 0);
        *ret_slave = ioctl(*ret_master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(*ret_slave >= 0);
}

static void bed_init(Bed *b, PtyForwardFlags flags) {
        open_pty(&b->master, &b->slave);
        assert_true(pipe2(b->in, O_CLOEXEC) == 0 && pipe2(b->out, O_CLOEXEC) == 0);
        assert_int_equal(pty_forward_init(&b->f, b->in[0], b->out[1], b->master, flags, NULL), 0);
}

static void bed_done(Bed *b) {
        pty_forward_done(&b->f);
        for (size_t i = 0; i < 2; i++) {
                (void) fd_close(b->in[i]);
                (void) fd_close(b->out[i]);
        }
        (void) fd_close(b->slave);
        (void) fd_close(b->master);
}

/* Steps until an event comes or nothing has happened for 50 ms. */
static int pump(PtyForward *f) {
        for (;;) {
                struct pollfd fds[PTY_FORWARD_FDS];

                pty_forward_poll(f, fds);
                int r = poll(fds, PTY_FORWARD_FDS, 50);
                assert_true(r >= 0);
                if (r == 0)
                        return PTY_FORWARD_MORE;
                r = pty_forward_step(f, fds, NULL);
                if (r != PTY_FORWARD_MORE)
                        return r;
        }
}

static void check_read(int fd, const char *want) {
        char buffer[256];

        assert_true(fd_wait(fd, POLLIN, 1000 * 1000) > 0);
        ssize_t n = read(fd, buffer, sizeof buffer - 1);
        assert_true(n >= 0);
        buffer[n] = '\0';
        assert_string_equal(buffer, want);
}

static void test_both_ways(void **state) {
        Bed b;

        bed_init(&b, 0);
        assert_int_equal(write(b.slave, "out\n", 4), 4);
        assert_int_equal(pump(&b.f), PTY_FORWARD_MORE);
        check_read(b.out[0], "out\n");

        assert_int_equal(write(b.in[1], "in\n", 3), 3);
        assert_int_equal(pump(&b.f), PTY_FORWARD_MORE);
        check_read(b.slave, "in\n");
        bed_done(&b);
}

static void test_read_only(void **state) {
        Bed b;

        bed_init(&b, PTY_FORWARD_READ_ONLY);
        assert_int_equal(write(b.in[1], "in\n", 3), 3);
        assert_int_equal(pump(&b.f), PTY_FORWARD_MORE);
        assert_int_equal(fd_wait(b.slave, POLLIN, 0), 0);
        bed_done(&b);
}

static void test_end_of_input(void **state) {
        Bed b;
        char buffer[16];

        bed_init(&b, 0);
        assert_int_equal(write(b.in[1], "half", 4), 4);
        b.in[1] = fd_close(b.in[1]);
        assert_int_equal(pump(&b.f), PTY_FORWARD_MORE);
        check_read(b.slave, "half");
        assert_int_equal(read(b.slave, buffer, sizeof buffer), 0);
        bed_done(&b);
}

static void test_end_of_output(void **state) {
        Bed b;

        bed_init(&b, 0);
        assert_int_equal(write(b.slave, "last words", 10), 10);
        b.slave = fd_close(b.slave);
        assert_int_equal(pump(&b.f), PTY_FORWARD_END);
        check_read(b.out[0], "last words");
        bed_done(&b);
}

static void test_hold(void **state) {
        Bed b;

        bed_init(&b, PTY_FORWARD_HOLD);
        b.slave = fd_close(b.slave);
        assert_int_equal(pump(&b.f), PTY_FORWARD_MORE);

        b.slave = ioctl(b.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_int_equal(write(b.slave, "again\n", 6), 6);
        pty_forward_drain(&b.f, 1000 * 1000);
        check_read(b.out[0], "again\n");
        bed_done(&b);
}

static void test_keys(void **state) {
        static const struct {
                const char *typed;
                int event;
        } rows[] = {
                { "\x1d\x1d\x1d", PTY_FORWARD_KEY_EXIT },
                { "x\x1d\x1dp", PTY_FORWARD_KEY_POWEROFF },
                { "\x1d\x1dr", PTY_FORWARD_KEY_REBOOT },
                { "\x1d\x1d\n", PTY_FORWARD_MORE },
                { "\x1dp\x1d\x1d\n", PTY_FORWARD_MORE },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Bed b;

                bed_init(&b, 0);
                assert_int_equal(write(b.in[1], rows[i].typed, strlen(rows[i].typed)),
                                 strlen(rows[i].typed));
                CHECK_EQ(pump(&b.f), rows[i].event, "row %zu", i);
                bed_done(&b);
        }
}

/* Nothing of a sequence goes in, and everything that is none does. */
static void test_kept_keys(void **state) {
        static const struct {
                const char *typed[3];
                int event;
                const char *inside;
        } rows[] = {
                { { "\x1d\x1d\x1d" }, PTY_FORWARD_KEY_EXIT, "" },
                { { "a\x1d", "\x1d", "d" }, PTY_FORWARD_KEY_DETACH, "a" },
                { { "\x1d\x1d", "p" }, PTY_FORWARD_KEY_POWEROFF, "" },
                { { "\x1d\x1dx\n" }, PTY_FORWARD_MORE, "\x1d\x1dx\n" },
                { { "\x1d", "x\x1dy\x1d\x1d", "z\n" }, PTY_FORWARD_MORE, "\x1dx\x1dy\x1d\x1dz\n" },
                { { "d\x1d", "d\n" },
                  PTY_FORWARD_MORE,
                  "d\x1d"
                  "d\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int event = PTY_FORWARD_MORE;
                char inside[64] = {};
                struct termios t;
                Bed b;

                bed_init(&b, PTY_FORWARD_KEEP_KEYS | PTY_FORWARD_CAN_DETACH);
                assert_true(tcgetattr(b.slave, &t) == 0);
                cfmakeraw(&t);
                assert_true(tcsetattr(b.slave, TCSANOW, &t) == 0);
                for (size_t j = 0; j < 3 && rows[i].typed[j] && event == PTY_FORWARD_MORE; j++) {
                        size_t n = strlen(rows[i].typed[j]);
                        assert_int_equal(write(b.in[1], rows[i].typed[j], n), n);
                        event = pump(&b.f);
                }
                CHECK_EQ(event, rows[i].event, "row %zu", i);
                if (fd_wait(b.slave, POLLIN, 20000) > 0)
                        assert_true(read(b.slave, inside, sizeof inside - 1) >= 0);
                CHECK_STR(inside, rows[i].inside, "row %zu", i);
                bed_done(&b);
        }
}

static void test_raw_and_size(void **state) {
        int user_master, user, master, slave;
        struct termios t;
        struct winsize size = { .ws_row = 7, .ws_col = 31 };
        PtyForward f;

        open_pty(&user_master, &user);
        open_pty(&master, &slave);
        assert_int_equal(ioctl(user, TIOCSWINSZ, &size), 0);

        assert_int_equal(pty_forward_init(&f, user, user, master, 0, NULL), 0);
        assert_int_equal(tcgetattr(user, &t), 0);
        assert_false(t.c_lflag & (ICANON | ECHO | ISIG));
        size = (struct winsize){};
        assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
        assert_int_equal(size.ws_row, 7);
        assert_int_equal(size.ws_col, 31);

        pty_forward_done(&f);
        assert_int_equal(tcgetattr(user, &t), 0);
        assert_true(t.c_lflag & ICANON && t.c_lflag & ECHO);
        (void) fd_close(user);
        (void) fd_close(user_master);
        (void) fd_close(slave);
        (void) fd_close(master);
}

static void test_run(void **state) {
        int stop[2];
        Bed b;

        assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
        bed_init(&b, PTY_FORWARD_HOLD);
        assert_int_equal(write(b.slave, "bye\n", 4), 4);
        stop[1] = fd_close(stop[1]);
        assert_int_equal(pty_forward_run(&b.f, stop[0], NULL), PTY_FORWARD_STOPPED);
        check_read(b.out[0], "bye\n");
        (void) fd_close(stop[0]);
        bed_done(&b);
}

/* Whoever read our output went away: the pty is read on, so that nobody inside hangs. */
static void test_output_gone(void **state) {
        Bed b;

        (void) signal(SIGPIPE, SIG_IGN);
        bed_init(&b, 0);
        b.out[0] = fd_close(b.out[0]);
        for (size_t i = 0; i < 100; i++) {
                assert_int_equal(write(b.slave, "0123456789012345678901234567890123456789\n", 41),
                                 41);
                assert_int_equal(pump(&b.f), PTY_FORWARD_MORE);
                if (b.f.out_gone)
                        break;
        }
        assert_true(b.f.out_gone);
        bed_done(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways),    cmocka_unit_test(test_read_only),
                cmocka_unit_test(test_end_of_input), cmocka_unit_test(test_end_of_output),
                cmocka_unit_test(test_hold),         cmocka_unit_test(test_keys),
                cmocka_unit_test(test_kept_keys),    cmocka_unit_test(test_raw_and_size),
                cmocka_unit_test(test_run),          cmocka_unit_test(test_output_gone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
