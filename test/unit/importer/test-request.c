/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be asked for, what polkit and the worker are told of it, and how fast it goes. */
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/transfer-rate.h"
#include "importer/transfer-request.h"

#define S(x) ((char *) (x))
#define HEX  "0123456789abcdef0123456789abcdef"
#define LONG HEX HEX HEX HEX

static void checks(void **state) {
        static const struct {
                TransferRequest q;
                int r;
        } cases[] = {
                { { .kind = TRANSFER_IMPORT_TAR, .local = S("web") }, 0 },
                { { .kind = TRANSFER_IMPORT_RAW, .local = S("web"), .flags = 3 }, 0 },
                { { .kind = TRANSFER_IMPORT_RAW, .local = S("web"), .flags = 4 }, -EINVAL },
                { { .kind = TRANSFER_IMPORT_FS, .local = S("") }, -EINVAL },
                { { .kind = TRANSFER_IMPORT_FS }, -EINVAL },
                { { .kind = TRANSFER_IMPORT_FS, .local = S(".host") }, -EINVAL },
                { { .kind = TRANSFER_IMPORT_FS, .local = S("../x") }, -EINVAL },
                { { .kind = TRANSFER_IMPORT_FS, .local = S("a/b") }, -EINVAL },
                { { .kind = TRANSFER_EXPORT_TAR, .local = S("web") }, 0 },
                { { .kind = TRANSFER_EXPORT_TAR, .local = S("web"), .format = S("zstd") }, 0 },
                { { .kind = TRANSFER_EXPORT_TAR, .local = S("web"), .format = S("rar") }, -EINVAL },
                { { .kind = TRANSFER_EXPORT_RAW, .local = S("web"), .flags = 1 }, -EINVAL },
                { { .kind = TRANSFER_EXPORT_TAR,
                    .local = S("web"),
                    .said = TRANSFER_SAID_LEVEL | TRANSFER_SAID_CLAMP },
                  0 },
                { { .kind = TRANSFER_EXPORT_RAW, .local = S("web"), .said = TRANSFER_SAID_CLAMP },
                  -EINVAL },
                { { .kind = TRANSFER_IMPORT_TAR, .local = S("web"), .said = TRANSFER_SAID_LEVEL },
                  -EINVAL },
                { { .kind = TRANSFER_EXPORT_RAW,
                    .local = S("web"),
                    .said = TRANSFER_SAID_CHECKSUM },
                  -EINVAL },
                { { .kind = TRANSFER_EXPORT_RAW, .local = S("web"), .checksum_name = S("x") },
                  -EINVAL },
                { { .kind = TRANSFER_EXPORT_RAW,
                    .local = S("web"),
                    .said = TRANSFER_SAID_CHECKSUM,
                    .checksum_name = S("a/b") },
                  -EINVAL },
                { { .kind = TRANSFER_EXPORT_RAW,
                    .local = S("web"),
                    .said = TRANSFER_SAID_CHECKSUM,
                    .checksum_name = S("b.raw") },
                  0 },
                { { .kind = TRANSFER_PULL_TAR, .local = S("web"), .remote = S("http://x/y") },
                  -EINVAL },
                { { .kind = TRANSFER_PULL_TAR,
                    .local = S("web"),
                    .remote = S("http://x/y"),
                    .verify = S("no"),
                    .flags = 7 },
                  0 },
                { { .kind = TRANSFER_PULL_TAR,
                    .remote = S("file:///x/y"),
                    .verify = S("checksum") },
                  0 },
                { { .kind = TRANSFER_PULL_RAW,
                    .remote = S("https://x/y"),
                    .verify = S(
                            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef") },
                  0 },
                { { .kind = TRANSFER_PULL_RAW, .remote = S("https://x/y"), .verify = S("0123") },
                  -EINVAL },
                { { .kind = TRANSFER_PULL_RAW, .remote = S("https://x/y"), .verify = S(LONG) }, 0 },
                { { .kind = TRANSFER_PULL_RAW,
                    .remote = S("https://x/y"),
                    .verify = S("sha512:" LONG) },
                  0 },
                { { .kind = TRANSFER_PULL_RAW,
                    .remote = S("https://x/y"),
                    .verify = S("sha256:" LONG) },
                  -EINVAL },
                { { .kind = TRANSFER_IMPORT_RAW, .local = S("web"), .verify = S(LONG) }, 0 },
                { { .kind = TRANSFER_IMPORT_TAR, .local = S("web"), .verify = S("no") }, 0 },
                { { .kind = TRANSFER_IMPORT_TAR, .local = S("web"), .verify = S("checksum") },
                  -EINVAL },
                { { .kind = TRANSFER_IMPORT_FS, .local = S("web"), .verify = S("no") }, -EINVAL },
                { { .kind = TRANSFER_EXPORT_TAR, .local = S("web"), .verify = S(LONG) }, -EINVAL },
                { { .kind = TRANSFER_PULL_RAW, .remote = S("ftp://x/y"), .verify = S("no") },
                  -EINVAL },
                { { .kind = TRANSFER_PULL_RAW, .remote = S(""), .verify = S("no") }, -EINVAL },
                { { .kind = TRANSFER_PULL_RAW, .remote = S("http://x y"), .verify = S("no") },
                  -EINVAL },
                { { .kind = TRANSFER_PULL_RAW, .remote = S("--force"), .verify = S("no") },
                  -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Error e = {};
                CHECK_EQ(transfer_request_check(&cases[i].q, &e), cases[i].r, "row %zu: %s", i,
                         e.text);
                assert_true(cases[i].r == 0 || e.text[0]);
        }
}

static void descriptors(void **state) {
        static const struct {
                TransferKind kind;
                const char *path;
                int flags, r;
        } cases[] = {
                { TRANSFER_IMPORT_TAR, "/proc/self/exe", O_RDONLY, 0 },
                { TRANSFER_IMPORT_TAR, "/proc/self/exe", O_PATH, -EINVAL },
                { TRANSFER_IMPORT_TAR, "/tmp", O_RDONLY, -EINVAL },
                { TRANSFER_IMPORT_TAR, "/dev/null", O_RDONLY, -EINVAL },
                { TRANSFER_IMPORT_FS, "/tmp", O_RDONLY, 0 },
                { TRANSFER_IMPORT_FS, "/proc/self/exe", O_RDONLY, -ENOTDIR },
                { TRANSFER_EXPORT_RAW, "/proc/self/exe", O_RDONLY, -EINVAL },
                { TRANSFER_EXPORT_TAR, "/dev/null", O_WRONLY, -EINVAL },
        };
        int ends[2];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_fd_ int fd = open(cases[i].path, cases[i].flags | O_CLOEXEC);
                TransferRequest q = { .kind = cases[i].kind, .local = S("web") };
                CHECK_EQ(transfer_request_check_fd(&q, fd, NULL), cases[i].r, "row %zu", i);
        }
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        for (int way = 0; way < 2; way++)
                for (int end = 0; end < 2; end++) {
                        TransferRequest q = { .kind = way ? TRANSFER_EXPORT_TAR
                                                          : TRANSFER_IMPORT_TAR };
                        CHECK_EQ(transfer_request_check_fd(&q, ends[end], NULL),
                                 way == end ? 0 : -EINVAL, "way %d, end %d", way, end);
                }
        (void) close(ends[0]);
        (void) close(ends[1]);
}

/* What a worker is started with; a name that looks like an option stays a name. */
static void command_lines(void **state) {
        static const struct {
                TransferRequest q;
                const char *line;
        } cases[] = {
                { { .kind = TRANSFER_IMPORT_TAR, .local = S("-x"), .flags = 3 },
                  "import-tar --class=machine --force --read-only -- - -x" },
                { { .kind = TRANSFER_IMPORT_RAW, .local = S("a"), .verify = S("no") },
                  "import-raw --class=machine --verify=no -- - a" },
                { { .kind = TRANSFER_IMPORT_FS, .local = S("a"), .class = IMAGE_CLASS_SYSEXT },
                  "import-fs --class=sysext -- - a" },
                { { .kind = TRANSFER_EXPORT_RAW, .local = S("a"), .format = S("xz") },
                  "export-raw --class=machine --format=xz -- a -" },
                { { .kind = TRANSFER_EXPORT_TAR, .local = S("a"), .format = S("") },
                  "export-tar --class=machine -- a -" },
                { { .kind = TRANSFER_EXPORT_TAR,
                    .local = S("a"),
                    .said = TRANSFER_SAID_LEVEL | TRANSFER_SAID_THREADS | TRANSFER_SAID_CLAMP |
                            TRANSFER_SAID_CHECKSUM,
                    .threads = 2,
                    .clamp_mtime = 7,
                    .checksum_name = S("a.tar") },
                  "export-tar --class=machine --level=0 --threads=2 --clamp-mtime=7 "
                  "--checksum-name=a.tar --checksum-fd=4 -- a -" },
                { { .kind = TRANSFER_PULL_TAR,
                    .local = S("a"),
                    .remote = S("http://x/y"),
                    .verify = S("no") },
                  "pull-tar --class=machine --verify=no --keep-download=no -- - a" },
                { { .kind = TRANSFER_PULL_RAW, .remote = S("http://x/y"), .verify = S("checksum") },
                  "pull-raw --class=machine --verify=checksum --keep-download=yes -- - -" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_strv_ char **argv = NULL;
                assert_int_equal(transfer_request_argv(&cases[i].q, &argv), 0);
                _cleanup_free_ char *line = strv_join(argv, " ");
                CHECK_STR(line, cases[i].line, "row %zu", i);
        }
}

static void secrets(void **state) {
        static const char *const cases[][2] = {
                { "http://x/y", "http://x/y" },
                { "https://me:pass@word@x/y", "https://x/y" },
                { "https://me@x/y@z?token=1", "https://x/y@z" },
                { "https://x/y@z", "https://x/y@z" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                TransferRequest q = { .kind = TRANSFER_PULL_TAR,
                                      .local = S("l"),
                                      .verify = S("no"),
                                      .remote = S(cases[i][0]) };
                _cleanup_free_ char *shown = transfer_request_shown_remote(&q);
                const char *details[TRANSFER_DETAILS_MAX];

                CHECK_STR(shown, cases[i][1], "row %zu", i);
                transfer_request_details(&q, shown, details);
                CHECK_STR(details[0], "remote", "row %zu", i);
                CHECK_STR(details[1], cases[i][1], "row %zu", i);
                CHECK_STR(details[9], "no", "row %zu", i);
                assert_null(details[10]);
        }
}

static void rates(void **state) {
        TransferRate r = {};

        CHECK_EQ(transfer_rate_get(&r), 0, "nothing known");
        CHECK_EQ(transfer_rate_eta(&r, 1000), UINT64_MAX, "nothing known");
        transfer_rate_add(&r, 1000000, 0);
        transfer_rate_add(&r, 1100000, 50);
        CHECK_EQ(transfer_rate_get(&r), 0, "too soon");
        transfer_rate_add(&r, 2000000, 1000000);
        CHECK_EQ(transfer_rate_get(&r), 1000000, "the first");
        CHECK_EQ(transfer_rate_eta(&r, 3000000), 2000000, "the first");
        CHECK_EQ(transfer_rate_eta(&r, 500), 0, "more than there was to be");
        CHECK_EQ(transfer_rate_eta(&r, UINT64_MAX), UINT64_MAX, "no end");
        for (uint64_t i = 1; i < 100; i++)
                transfer_rate_add(&r, 2000000 + i * 1000000, 1000000 + i * 2000000);
        assert_in_range(transfer_rate_get(&r), 1999000, 2000000);
        transfer_rate_add(&r, 200000000, 5);
        CHECK_EQ(transfer_rate_get(&r), 0, "it began anew");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(checks),        cmocka_unit_test(descriptors),
                cmocka_unit_test(command_lines), cmocka_unit_test(secrets),
                cmocka_unit_test(rates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
