/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon finds of the one before it, whole and broken. */
#include "check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/path.h"
#include "importer/transfer.h"

static char folder[] = "/tmp/test-transfer-XXXXXX";

static int make_folder(void **state) {
        static int fd;

        if (!mkdtemp(folder))
                return -1;
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = &fd;
        return fd < 0 ? -1 : 0;
}

static int remove_folder(void **state) {
        (void) close(*(int *) *state);
        return path_remove_tree(AT_FDCWD, folder);
}

static void put(int fd, const char *name, const char *text) {
        assert_int_equal(file_write(fd, name, text, O_CREAT | O_TRUNC, 0600), 0);
}

static void broken_files(void **state) {
        static const struct {
                const char *name, *text;
                int r;
        } cases[] = {
                { "1", "LOCAL=web\nCLASS=machine\nPID=1\nCANCELED=0\n", 1 },
                { "1", "LOCAL=web\nCLASS=sysext\nPID=1\nCANCELED=1\nLATER=unknown\n", 1 },
                { "1", "LOCAL=we\\x20b\nPID=1\n", 1 },
                { "0", "LOCAL=web\nPID=1\n", 0 },
                { "1.log", "done\n", 0 },
                { ".#1abc", "", 0 },
                { "-1", "LOCAL=web\nPID=1\n", 0 },
                { "99999999999", "LOCAL=web\nPID=1\n", 0 },
                { "1", "", -EBADMSG },
                { "1", "LOCAL=web\n", -EBADMSG },
                { "1", "PID=1\n", -EBADMSG },
                { "1", "LOCAL=\nPID=1\n", -EBADMSG },
                { "1", "LOCAL=web\nPID=0\n", -EBADMSG },
                { "1", "LOCAL=web\nPID=x\n", -EBADMSG },
                { "1", "LOCAL=web\nPID=1\nCLASS=nonsense\n", -EBADMSG },
                { "1", "LOCAL=we\\q\nPID=1\n", -EBADMSG },
                { "1", "LOCAL=web\nPID=1\nno assignment\n", -EBADMSG },
                { "2", "LOCAL=web\nPID=1\n", -ENOENT }, /* there is no log of it */
        };
        int fd = *(int *) *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(transfer_freep) Transfer *t = NULL;
                Error e = {};

                put(fd, "1.log", "");
                put(fd, cases[i].name, cases[i].text);
                CHECK_EQ(transfer_load(fd, cases[i].name, &t, &e), cases[i].r, "row %zu: %s", i,
                         e.text);
                assert_true(cases[i].r >= 0 || (e.text[0] && !strchr(e.text, '\n')));
                assert_true((cases[i].r > 0) == (t != NULL));
                (void) unlinkat(fd, cases[i].name, 0);
        }
}

/* The lock on the log tells whether the worker lives, not its number. */
static void living_and_dead(void **state) {
        int fd = *(int *) *state;

        for (int alive = 0; alive < 2; alive++) {
                _cleanup_(transfer_freep) Transfer *t = NULL;
                _cleanup_fd_ int log = -EBADF;
                char text[64];

                put(fd, "7.log", "log 4 a\\n");
                (void) snprintf(text, sizeof text, "LOCAL=web\nPID=%d\n", getpid());
                put(fd, "7", text);
                log = openat(fd, "7.log", O_WRONLY | O_CLOEXEC);
                assert_int_equal(flock(log, alive ? LOCK_EX : LOCK_UN), 0);
                CHECK_EQ(transfer_load(fd, "7", &t, NULL), 1, "alive %d", alive);
                CHECK_EQ(t->pidfd >= 0, alive, "alive %d", alive);
                CHECK_EQ(t->id, 7, "alive %d", alive);
                CHECK_STR(t->local, "web", "alive %d", alive);
                transfer_remove(fd, t);
                CHECK_EQ(faccessat(fd, "7", F_OK, 0), -1, "alive %d", alive);
                CHECK_EQ(faccessat(fd, "7.log", F_OK, 0), -1, "alive %d", alive);
        }
}

static void reading_on(void **state) {
        _cleanup_(transfer_freep) Transfer *t = NULL;
        int fd = *(int *) *state;
        Record record;

        put(fd, "3", "LOCAL=web\nPID=1\nCANCELED=1\n");
        put(fd, "3.log", "phase unpack\nprogress 1000 5 50\nlog 4 half a li");
        CHECK_EQ(transfer_load(fd, "3", &t, NULL), 1, "load");

        CHECK_EQ(transfer_read(t, &record), 1, "phase");
        CHECK_EQ(t->phase, PHASE_UNPACK, "phase");
        CHECK_EQ(transfer_read(t, &record), 1, "progress");
        CHECK_EQ(record.type, RECORD_PROGRESS, "progress");
        CHECK_EQ(t->progress * 100, 10, "progress");
        CHECK_EQ(t->done, 5, "progress");
        CHECK_EQ(t->total, 50, "progress");
        CHECK_EQ(transfer_read(t, &record), 0, "half a line");
        CHECK_STR(transfer_result(t), "canceled", "nothing final, and it was asked to stop");

        _cleanup_fd_ int log = openat(fd, "3.log", O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(fd_write_all(log, "ne\nnonsense\nlog 3 last\nfailed 5 x\n", 34), 0);
        CHECK_EQ(transfer_read(t, &record), 1, "the other half");
        CHECK_STR(record.text, "half a line", "the other half");
        CHECK_EQ(transfer_read(t, &record), 1, "after nonsense");
        CHECK_STR(record.text, "last", "after nonsense");
        CHECK_EQ(transfer_read(t, &record), 0, "end");
        CHECK_EQ(t->result, RECORD_FAILED, "end");

        /* Done is done, even if somebody wanted to stop it. */
        assert_int_equal(fd_write_all(log, "done\n", 5), 0);
        CHECK_EQ(transfer_read(t, &record), 0, "end");
        CHECK_STR(transfer_result(t), "done", "end");

        /* No line is that long; what is not from a worker does not fill the memory. */
        char *many = malloc(100000);
        memset(many, 'x', 100000);
        assert_int_equal(fd_write_all(log, many, 100000), 0);
        free(many);
        CHECK_EQ(transfer_read(t, &record), -EBADMSG, "too long");
        transfer_remove(fd, t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(broken_files),
                cmocka_unit_test(living_and_dead),
                cmocka_unit_test(reading_on),
        };

        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
