/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The carrying of bytes with a real command at the other end, where a daemon would start it. */
#include "ctl/streams.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "check.h"

static void test_exit_status(void **state) {
        static const struct {
                const char *in;
                int r;
                const char *text;
        } rows[] = {
                { "exited 0\n", 0, NULL },
                { "exited 255\n", 255, NULL },
                { "killed 9\n", 137, NULL },
                { "exited 7", 7, NULL },
                { "failed no such user 'x'\n", -EIO, "no such user 'x'" },
                { "exited 256\n", -EPROTO, NULL },
                { "exited -1\n", -EPROTO, NULL },
                { "killed 0\n", -EPROTO, NULL },
                { "failed \n", -EPROTO, NULL },
                { "", -EPROTO,
                  "the connection to the command broke, its exit status is not known" },
                { "nonsense\n", -EPROTO, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Error e = {};

                CHECK_EQ(exit_status_parse(rows[i].in, &e), rows[i].r, "row %zu", i);
                if (rows[i].text)
                        CHECK_STR(e.text, rows[i].text, "row %zu", i);
                CHECK_EQ(error_is_set(&e), rows[i].r < 0, "row %zu", i);
        }
}

/* What a daemon does with the three descriptors: start the command, then say how it ended. */
static void serve(const Streams *s, int status_fd, const char *script) {
        char line[32];
        int status;
        pid_t pid = fork();

        assert_se(pid >= 0);
        if (pid == 0) {
                for (int i = 0; i < 3; i++)
                        assert_se(dup2(s->v[i].far, i) == i);
                (void) signal(SIGPIPE, SIG_DFL);
                (void) execl("/bin/sh", "sh", "-c", script, NULL);
                _exit(127);
        }
        /* No end of the pipes may stay open here. */
        for (int i = 0; i < 3; i++) {
                (void) fd_close(s->v[i].far);
                (void) fd_close(s->v[i].near);
                (void) fd_close(i);
        }
        assert_se(waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status))
                (void) snprintf(line, sizeof(line), "exited %d\n", WEXITSTATUS(status));
        else
                (void) snprintf(line, sizeof(line), "killed %d\n", WTERMSIG(status));
        _exit(fd_write_all(status_fd, line, strlen(line)) < 0);
}

/* Runs @script with our standard descriptors being @fds. Return: as exit_status_parse(). */
static int run(const char *script, const int fds[static 3]) {
        _cleanup_(streams_done) Streams s = {};
        int keep[3], p[2], r;
        char text[128];
        Error e = {};

        (void) fflush(NULL);
        for (int i = 0; i < 3; i++) {
                keep[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
                assert_se(keep[i] >= 0 && dup2(fds[i], i) == i);
        }
        r = streams_init(&s, &e);
        assert_se(r == 0 && pipe2(p, O_CLOEXEC) == 0);
        pid_t pid = fork();
        assert_se(pid >= 0);
        if (pid == 0) {
                for (int i = 0; i < 3; i++)
                        (void) close(keep[i]);
                (void) close(p[0]);
                serve(&s, p[1], script);
        }
        (void) close(p[1]);
        streams_close_far(&s);
        r = streams_run(&s, p[0], text, sizeof(text), &e);
        (void) close(p[0]);
        for (int i = 0; i < 3; i++) {
                assert_se(dup2(keep[i], i) == i);
                (void) close(keep[i]);
        }
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return r < 0 ? r : exit_status_parse(text, NULL);
}

static int temporary(const void *data, size_t n) {
        char name[] = "/tmp/test-streams-XXXXXX";
        int fd = mkostemp(name, O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(unlink(name), 0);
        assert_int_equal(fd_write_all(fd, data, n), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static char *content(int fd) {
        char *text = NULL;

        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(fd_read_all(fd, 1 << 24, &text, NULL), 0);
        return text;
}

static void test_files(void **state) {
        static const struct {
                const char *script, *in, *out, *err;
                int status;
        } rows[] = {
                { "echo out; echo err >&2; exit 7", "", "out\n", "err\n", 7 },
                { "cat; echo done", "a\nb", "a\nbdone\n", "", 0 },
                { "cat >&2", "x", "", "x", 0 },
                { "kill -KILL $$", "", "", "", 137 },
                { "exec <&-; sleep 0.05; echo still there", "unread", "still there\n", "", 0 },
                /* What it leaves running has the pipes still open: we do not wait for that. */
                { "echo first; sleep 3 & exit 3", "", "first\n", "", 3 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int fds[3] = { temporary(rows[i].in, strlen(rows[i].in)), temporary("", 0),
                               temporary("", 0) };
                uint64_t start = now_usec();
                int status = run(rows[i].script, fds);
                _cleanup_free_ char *out = content(fds[1]), *err = content(fds[2]);

                CHECK_EQ(status, rows[i].status, "row %zu", i);
                CHECK_STR(out, rows[i].out, "row %zu", i);
                CHECK_STR(err, rows[i].err, "row %zu", i);
                assert_true(now_usec() - start < 10000000);
                for (int k = 0; k < 3; k++)
                        (void) close(fds[k]);
        }
}

/* More than any pipe holds, both ways, through a command that answers while it is still being fed. */
static void test_large(void **state) {
        const size_t n = 3 << 20;
        _cleanup_free_ char *data = malloc(n + 1), *out = NULL;

        for (size_t i = 0; i < n; i++)
                data[i] = (char) ('a' + i * 7 % 26);
        data[n] = 0;
        int fds[3] = { temporary(data, n), temporary("", 0), temporary("", 0) };
        CHECK_EQ(run("cat", fds), 0, "status");
        out = content(fds[1]);
        assert_int_equal(strlen(out), n);
        assert_memory_equal(out, data, n);
        for (int k = 0; k < 3; k++)
                (void) close(fds[k]);
}

/* A pipe is handed over as it is; a file, which the command could open anew, never. */
static void test_what_is_handed_over(void **state) {
        struct stat a, b;
        int p[2], file = temporary("x", 1), keep[3];

        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        const int fds[3] = { p[0], p[1], file };
        (void) fflush(NULL);
        for (int i = 0; i < 3; i++) {
                keep[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
                assert_true(dup2(fds[i], i) == i);
        }
        _cleanup_(streams_done) Streams s = {};
        int r = streams_init(&s, NULL);
        for (int i = 0; i < 3; i++) {
                (void) dup2(keep[i], i);
                (void) close(keep[i]);
        }
        assert_int_equal(r, 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(fstat(s.v[i].far, &a), 0);
                assert_int_equal(fstat(fds[i], &b), 0);
                CHECK_EQ(a.st_ino == b.st_ino && a.st_dev == b.st_dev, i < 2, "stream %d", i);
                CHECK_EQ(S_ISFIFO(a.st_mode), true, "stream %d", i);
                CHECK_EQ(s.v[i].near >= 0, i == 2, "stream %d", i);
        }
        (void) close(p[0]);
        (void) close(p[1]);
        (void) close(file);
}

/* The reader of our output goes away: the command gets SIGPIPE as it would without us. */
static void test_reader_gone(void **state) {
        int sockets[2], in = temporary("", 0), err = temporary("", 0);

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        (void) close(sockets[0]);
        int fds[3] = { in, sockets[1], err };
        CHECK_EQ(run("while echo y; do :; done", fds), 128 + SIGPIPE, "status");
        (void) close(sockets[1]);
        (void) close(in);
        (void) close(err);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_exit_status), cmocka_unit_test(test_files),
                cmocka_unit_test(test_large),       cmocka_unit_test(test_what_is_handed_over),
                cmocka_unit_test(test_reader_gone),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
