/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon finds of the one before it, whole and broken. */
#include "check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
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
                { "1", "TYPE=import-tar\nLOCAL=web\nCLASS=machine\nCANCELED=0\n", 1 },
                { "1", "TYPE=export-raw\nLOCAL=web\nCLASS=sysext\nCANCELED=1\nLATER=unknown\n", 1 },
                { "1", "TYPE=import-fs\nLOCAL=we\\x20b\n", 1 },
                { "1", "TYPE=pull-tar\nREMOTE=http://x/y\nFLAGS=7\nSTARTED=12\n", 1 },
                { "0", "TYPE=import-tar\nLOCAL=web\n", 0 },
                { "1.log", "done\n", 0 },
                { ".#1abc", "", 0 },
                { "-1", "TYPE=import-tar\nLOCAL=web\n", 0 },
                { "99999999999", "TYPE=import-tar\nLOCAL=web\n", 0 },
                { "1", "", -EBADMSG },
                { "1", "LOCAL=web\n", -EBADMSG },
                { "1", "TYPE=import-tar\n", -EBADMSG },
                { "1", "TYPE=pull-tar\nLOCAL=web\n", -EBADMSG },
                { "1", "TYPE=steal-tar\nLOCAL=web\n", -EBADMSG },
                { "1", "TYPE=import-tar\nLOCAL=web\nSTARTED=x\n", -EBADMSG },
                { "1", "TYPE=import-tar\nLOCAL=web\nFLAGS=-1\n", -EBADMSG },
                { "1", "TYPE=import-tar\nLOCAL=web\nCLASS=nonsense\n", -EBADMSG },
                { "1", "TYPE=import-tar\nLOCAL=we\\q\n", -EBADMSG },
                { "1", "TYPE=import-tar\nLOCAL=web\nno assignment\n", -EBADMSG },
                { "2", "TYPE=import-tar\nLOCAL=web\n", -ENOENT }, /* there is no log of it */
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

/* The lock on the log tells whether the worker lives, and the time of its start whether a process of that
 * number is it. */
static void living_and_dead(void **state) {
        int fd = *(int *) *state;
        uint64_t start;

        assert_int_equal(proc_start_time(getpid(), &start), 0);
        for (int row = 0; row < 3; row++) {
                bool locked = row != 0, is_reused = row == 2;
                _cleanup_(transfer_freep) Transfer *t = NULL;
                _cleanup_fd_ int log = -EBADF;
                char text[64];

                (void) snprintf(text, sizeof text, "worker %d %llu\nlog 4 a\n", getpid(),
                                (unsigned long long) start + is_reused);
                put(fd, "7.log", text);
                put(fd, "7", "TYPE=import-tar\nLOCAL=web\n");
                log = openat(fd, "7.log", O_WRONLY | O_CLOEXEC);
                assert_int_equal(flock(log, locked ? LOCK_EX : LOCK_UN), 0);
                CHECK_EQ(transfer_load(fd, "7", &t, NULL), 1, "row %d", row);
                CHECK_EQ(t->pidfd >= 0, locked && !is_reused, "row %d", row);
                CHECK_EQ(t->id, 7, "row %d", row);
                CHECK_STR(t->request.local, "web", "row %d", row);
                CHECK_EQ(transfer_end(fd, t), 0, "row %d", row);
                CHECK_EQ(faccessat(fd, "7", F_OK, 0), -1, "row %d", row);
                CHECK_EQ(faccessat(fd, "7.log", F_OK, 0), -1, "row %d", row);
                transfer_forget(fd, t);
                CHECK_EQ(faccessat(fd, "7.ended", F_OK, 0), -1, "row %d", row);
        }
}

/* What a daemon writes down, the next one reads. */
static void written_and_read(void **state) {
        int fd = *(int *) *state;
        _cleanup_(transfer_freep) Transfer *t = transfer_new(9), *again = NULL;
        TransferRequest q = {
                .kind = TRANSFER_PULL_RAW,
                .class = IMAGE_CLASS_CONFEXT,
                .flags = TRANSFER_FORCE | TRANSFER_KEEP_DOWNLOAD,
                .local = (char *) "a \"b\"\n",
                .remote = (char *) "https://me:secret@example.org/a?b=c",
                .verify = (char *) "checksum",
        };

        assert_int_equal(transfer_request_copy(&q, &t->request), 0);
        t->started = 17;
        t->result = RECORD_FAILED;
        t->error = strdup("cannot\nbe");
        t->done = 4096;
        put(fd, "9.log", "");
        CHECK_EQ(transfer_end(fd, t), 0, "end");
        CHECK_EQ(transfer_load_ended(fd, "9.log", &again, NULL), 0, "no end");
        CHECK_EQ(transfer_load_ended(fd, "9.ended", &again, NULL), 1, "load");
        CHECK_EQ(again->request.kind, q.kind, "kind");
        CHECK_EQ(again->request.class, q.class, "class");
        CHECK_EQ(again->request.flags, q.flags, "flags");
        CHECK_STR(again->request.local, q.local, "local");
        CHECK_STR(again->request.remote, q.remote, "remote");
        assert_null(strstr(again->shown_remote, "secret"));
        CHECK_STR(again->request.verify, q.verify, "verify");
        CHECK_STR(again->error, "cannot\nbe", "error");
        CHECK_STR(transfer_result(again), "failed", "result");
        CHECK_EQ(again->started, 17, "started");
        CHECK_EQ(again->done, 4096, "done");
        assert_true(again->ended > 0);
        put(fd, "10.ended", "TYPE=import-tar\nLOCAL=web\n");
        Transfer *none = NULL;
        CHECK_EQ(transfer_load_ended(fd, "10.ended", &none, NULL), -EBADMSG, "not ended");
        transfer_forget(fd, again);
}

static void reading_on(void **state) {
        _cleanup_(transfer_freep) Transfer *t = NULL, *next = NULL;
        int fd = *(int *) *state;
        Record record;

        put(fd, "3", "TYPE=import-tar\nLOCAL=web\nCANCELED=1\n");
        put(fd, "3.log", "worker 1 1\nphase unpack\nprogress 1000 5 50\nlog 4 half a li");
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
        assert_int_equal(fd_write_all(log, "ne\n", 3), 0);
        CHECK_EQ(transfer_read(t, &record), 1, "the other half");
        CHECK_STR(record.text, "half a line", "the other half");
        assert_false(transfer_was_told(t));
        transfer_tell(fd, t);
        assert_int_equal(fd_write_all(log, "nonsense\nlog 3 last\nfailed 5 x\n", 31), 0);
        CHECK_EQ(transfer_read(t, &record), 1, "after nonsense");
        CHECK_STR(record.text, "last", "after nonsense");
        CHECK_EQ(transfer_read(t, &record), 0, "end");
        CHECK_EQ(t->result, RECORD_FAILED, "end");
        CHECK_STR(t->error, "x", "end");

        /* The next daemon tells what this one has not told. */
        CHECK_EQ(transfer_load(fd, "3", &next, NULL), 1, "load again");
        for (int i = 0; i < 3; i++) {
                CHECK_EQ(transfer_read(next, &record), 1, "line %d", i);
                assert_true(transfer_was_told(next));
        }
        CHECK_EQ(transfer_read(next, &record), 1, "a new one");
        CHECK_STR(record.text, "last", "a new one");
        assert_false(transfer_was_told(next));

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
        CHECK_EQ(transfer_end(fd, t), 0, "end");
        transfer_forget(fd, t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(broken_files),
                cmocka_unit_test(living_and_dead),
                cmocka_unit_test(written_and_read),
                cmocka_unit_test(reading_on),
        };

        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
