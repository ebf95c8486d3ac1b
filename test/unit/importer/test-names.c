/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <unistd.h>

#include "importer/entry-path.h"
#include "importer/format.h"
#include "importer/record.h"
#include "importer/digest.h"

static void magics(void **state) {
        static const struct {
                const char *bytes;
                size_t n;
                int format;
        } cases[] = {
                { "", 0, FORMAT_PLAIN },
                { "\x1f", 1, FORMAT_PLAIN },
                { "\x1f\x8b\x08", 3, FORMAT_GZIP },
                { "BZh91A", 6, FORMAT_BZIP2 },
                { "\xfd"
                  "7zXZ\0",
                  6, FORMAT_XZ },
                { "\xfd"
                  "7zXZ\1",
                  6, FORMAT_PLAIN },
                { "\x28\xb5\x2f\xfd", 4, FORMAT_ZSTD },
                { "\x5a\x2a\x4d\x18", 4, FORMAT_ZSTD },
                { "\x04\x22\x4d\x18", 4, FORMAT_LZ4 },
                { "\x02\x21\x4c\x18", 4, -EOPNOTSUPP },
                { "LZIP", 4, -EOPNOTSUPP },
                { "etc/pa", 6, FORMAT_PLAIN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                CHECK_EQ(format_detect(cases[i].bytes, cases[i].n), cases[i].format, "row %zu", i);
        for (int f = 0; f < _FORMAT_MAX; f++)
                assert_non_null(format_name((Format) f));
}

static void suffixes(void **state) {
        static const struct {
                const char *name, *stem;
        } cases[] = {
                { "web.tar", "web" }, { "web.tar.gz", "web" },
                { "web.tgz", "web" }, { "web.v2.tar.zst", "web.v2" },
                { "web.txz", "web" }, { "web.tar.bz2", "web" },
                { "web", "web" },     { "web.raw", "web" },
                { ".tar", "" },       { "web.qcow2.xz", "web" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                CHECK_EQ(format_strip_suffix(cases[i].name), strlen(cases[i].stem), "row %zu '%s'",
                         i, cases[i].name);
}

static void entry_paths(void **state) {
        static const struct {
                const char *path;
                int r;
                const char *clean;
        } cases[] = {
                { "etc/passwd", 0, "etc/passwd" },
                { "./etc/passwd", 0, "etc/passwd" },
                { ".//etc///passwd/", 0, "etc/passwd" },
                { "a/./b", 0, "a/b" },
                { ".", 0, "" },
                { "./", 0, "" },
                { "", 0, "" },
                { "...", 0, "..." },
                { "a/..b", 0, "a/..b" },
                { "/etc/passwd", -EINVAL, NULL },
                { "//etc", -EINVAL, NULL },
                { "..", -EINVAL, NULL },
                { "../etc", -EINVAL, NULL },
                { "a/../../b", -EINVAL, NULL },
                { "a/..", -EINVAL, NULL },
                { "./../a", -EINVAL, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char clean[ENTRY_PATH_MAX] = "untouched";
                CHECK_EQ(entry_path_clean(cases[i].path, clean, NULL), cases[i].r, "row %zu '%s'",
                         i, cases[i].path);
                CHECK_STR(clean, cases[i].clean ? cases[i].clean : "untouched", "row %zu '%s'", i,
                          cases[i].path);
        }
}

static void entry_path_limits(void **state) {
        char name[300], deep[2 * ENTRY_DEPTH_MAX + 4], clean[ENTRY_PATH_MAX];
        char *wide = malloc(2 * ENTRY_PATH_MAX);

        memset(name, 'n', sizeof name);
        name[255] = '\0';
        CHECK_EQ(entry_path_clean(name, clean, NULL), 0, "255 bytes");
        name[255] = 'n';
        name[256] = '\0';
        CHECK_EQ(entry_path_clean(name, clean, NULL), -ENAMETOOLONG, "256 bytes");

        for (size_t i = 0; i < ENTRY_DEPTH_MAX + 1; i++)
                memcpy(deep + 2 * i, "d/", 3);
        CHECK_EQ(entry_path_clean(deep, clean, NULL), -ENAMETOOLONG, "too deep");
        deep[2 * ENTRY_DEPTH_MAX] = '\0';
        CHECK_EQ(entry_path_clean(deep, clean, NULL), 0, "just so deep");

        for (size_t i = 0; i < 2 * ENTRY_PATH_MAX - 1; i++)
                wide[i] = i % 100 == 99 ? '/' : 'w';
        wide[ENTRY_PATH_MAX - 1] = '\0';
        CHECK_EQ(entry_path_clean(wide, clean, NULL), 0, "as long as can be");
        CHECK_EQ(strlen(clean), ENTRY_PATH_MAX - 1, "as long as can be");
        wide[ENTRY_PATH_MAX - 1] = 'w';
        wide[ENTRY_PATH_MAX] = '\0';
        CHECK_EQ(entry_path_clean(wide, clean, NULL), -ENAMETOOLONG, "too long");
        free(wide);
}

static void records(void **state) {
        static const struct {
                const char *line;
                int r;
                Record record;
        } cases[] = {
                { "progress 4200 7 -",
                  0,
                  { RECORD_PROGRESS, .ratio = 0.42, .done = 7, .total = RECORD_UNKNOWN } },
                { "progress - - 9",
                  0,
                  { RECORD_PROGRESS, .ratio = -1, .done = RECORD_UNKNOWN, .total = 9 } },
                { "progress 10001 0 0", -EINVAL, {} },
                { "progress 1 18446744073709551615 0", -EINVAL, {} },
                { "progress 1 2 3 4", -EINVAL, {} },
                { "progress 1 2", -EINVAL, {} },
                { "progress", -EINVAL, {} },
                { "phase unpack", 0, { RECORD_PHASE, .phase = PHASE_UNPACK } },
                { "phase later", -EINVAL, {} },
                { "log 5 a note", 0, { RECORD_LOG, .level = 5, .text = "a note" } },
                { "log 5 ", 0, { RECORD_LOG, .level = 5, .text = "" } },
                { "log 8 x", -EINVAL, {} },
                { "log", -EINVAL, {} },
                { "done", 0, { RECORD_DONE } },
                { "done now", -EINVAL, {} },
                { "canceled", 0, { RECORD_CANCELED } },
                { "failed 28 no room", 0, { RECORD_FAILED, .code = -ENOSPC, .text = "no room" } },
                { "failed 0 x", -EINVAL, {} },
                { "failed 5000 x", -EINVAL, {} },
                { "failed", -EINVAL, {} },
                { "", -EINVAL, {} },
                { "nonsense", -EINVAL, {} },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Record *want = &cases[i].record;
                char line[RECORD_LINE_MAX];
                Record record = {};

                (void) snprintf(line, sizeof line, "%s", cases[i].line);
                CHECK_EQ(record_parse(line, &record), cases[i].r, "row %zu", i);
                CHECK_EQ(record.type, want->type, "row %zu", i);
                CHECK_EQ(record.phase, want->phase, "row %zu", i);
                CHECK_EQ(record.level, want->level, "row %zu", i);
                CHECK_EQ(record.code, want->code, "row %zu", i);
                CHECK_EQ(record.ratio * 10000, want->ratio * 10000, "row %zu", i);
                CHECK_EQ(record.done, want->done, "row %zu", i);
                CHECK_EQ(record.total, want->total, "row %zu", i);
                CHECK_STR(record.text, want->text, "row %zu", i);
        }
}

/* What is written is what is read. */
static void records_written(void **state) {
        static const Record records[] = {
                { RECORD_PHASE, .phase = PHASE_COMMIT },
                { RECORD_PROGRESS, .ratio = 1, .done = 12, .total = 12 },
                { RECORD_PROGRESS, .ratio = -1, .done = 12, .total = RECORD_UNKNOWN },
                { RECORD_LOG, .level = 4, .text = "a line" },
                { RECORD_FAILED, .code = -EIO, .text = "why" },
        };

        for (size_t i = 0; i < ELEMENTSOF(records); i++) {
                char line[RECORD_LINE_MAX];
                Record back = {};
                int fds[2];

                assert_int_equal(pipe(fds), 0);
                assert_int_equal(record_write(fds[1], records + i), 0);
                ssize_t n = read(fds[0], line, sizeof line);
                assert_true(n > 1 && line[n - 1] == '\n');
                line[n - 1] = '\0';
                CHECK_EQ(record_parse(line, &back), 0, "row %zu '%s'", i, line);
                CHECK_EQ(back.type, records[i].type, "row %zu", i);
                CHECK_EQ(back.phase, records[i].phase, "row %zu", i);
                CHECK_EQ(back.done, records[i].done, "row %zu", i);
                CHECK_EQ(back.total, records[i].total, "row %zu", i);
                CHECK_EQ(back.code, records[i].code, "row %zu", i);
                CHECK_STR(back.text, records[i].text, "row %zu", i);
                (void) close(fds[0]);
                (void) close(fds[1]);
        }
}

static void digests(void **state) {
        static const char
                hex[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        Digest d = {};
        char text[80];

        CHECK_EQ(digest_parse(hex, &d), 0, "64 digits");
        CHECK_EQ(d.bytes[1], 0x11, "digits");
        CHECK_EQ(d.bytes[31], 0xff, "digits");
        CHECK_EQ(digest_parse("", &d), -EINVAL, "empty");
        CHECK_EQ(digest_parse(hex + 1, &d), -EINVAL, "63 digits");
        (void) snprintf(text, sizeof text, "%s0", hex);
        CHECK_EQ(digest_parse(text, &d), -EINVAL, "65 digits");
        text[63] = 'g';
        text[64] = '\0';
        CHECK_EQ(digest_parse(text, &d), -EINVAL, "no digit");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(magics),      cmocka_unit_test(suffixes),
                cmocka_unit_test(entry_paths), cmocka_unit_test(entry_path_limits),
                cmocka_unit_test(records),     cmocka_unit_test(records_written),
                cmocka_unit_test(digests),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
