/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "app/table.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

static const TableColumn columns[] = {
        { "name" },
        { "type" },
        { "ro", .flags = TABLE_WARN_YES },
        { "usage", .empty = "", .flags = TABLE_RIGHT },
        { "created" },
        { "addresses" },
};

static Table *example(void) {
        Table *t = NULL;

        assert_int_equal(table_new(columns, ELEMENTSOF(columns), &t), 0);
        table_add_text(t, "web");
        table_add_text(t, "directory");
        table_add_bool(t, false);
        table_add_size(t, UINT64_MAX);
        table_add_time(t, UINT64_C(1720000000000000));
        table_add_text(t, "192.168.1.2\nfe80::1\nfd00::2");

        table_add_text(t, "größe €");
        table_add_text(t, "raw");
        table_add_bool(t, true);
        table_add_size(t, 1536);
        table_add_time(t, 0);
        table_add_text(t, NULL);

        table_add_text(t, "bad\033[2J\xff \"q\"\\");
        table_add_empty(t);
        table_add_bool(t, false);
        table_add_size(t, 0);
        table_add_time(t, UINT64_MAX);
        table_add_text(t, "日本");
        assert_int_equal(table_rows(t), 3);
        return t;
}

/* Compares with a file in test/golden/app; SKEP_GOLDEN_WRITE=1 writes it anew. */
static void check_golden(const char *name, const Buf *b) {
        _cleanup_free_ char *path = str_format("%s/%s", getenv("GOLDEN"), name), *want = NULL;

        if (getenv("SKEP_GOLDEN_WRITE")) {
                (void) unlink(path);
                assert_int_equal(file_write(AT_FDCWD, path, strempty(b->p), O_CREAT, 0644), 0);
                return;
        }
        assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &want, NULL), 0);
        CHECK_STR(strempty(b->p), want, "%s", name);
}

static void test_golden(void **state) {
        static const struct {
                const char *file;
                TableStyle style;
                int hide;
        } rows[] = {
                { "table-plain.txt", { .noun = "images" }, -1 },
                { "table-no-legend.txt", { .noun = "images", .no_legend = true }, -1 },
                { "table-one-line.txt", { .noun = "images", .lines_max = 1 }, -1 },
                { "table-narrow.txt", { .noun = "images", .width = 60, .lines_max = 2 }, -1 },
                { "table-narrow-ascii.txt", { .width = 50, .lines_max = 1, .ascii = true }, -1 },
                { "table-colours.txt", { .noun = "images", .colours = true }, 5 },
                { "table-short.json", { .form = TABLE_JSON_SHORT, .noun = "images" }, -1 },
                { "table-pretty.json", { .form = TABLE_JSON_PRETTY, .lines_max = 1 }, -1 },
                { "table-hidden.json", { .form = TABLE_JSON_PRETTY }, 5 },
                { "table.json-seq", { .form = TABLE_JSON_SEQ }, -1 },
                { "table.json-sse", { .form = TABLE_JSON_SSE }, -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(table_freep) Table *t = example();
                _cleanup_(buf_done) Buf b = {};

                assert_int_equal(table_sort(t, 0), 0);
                if (rows[i].hide >= 0)
                        table_hide(t, (size_t) rows[i].hide);
                assert_int_equal(table_format(t, &rows[i].style, &b), 0);
                check_golden(rows[i].file, &b);
        }
}

/* Whatever is in the cells, a JSON parser reads it. */
static void test_json_is_json(void **state) {
        _cleanup_(table_freep) Table *t = example();
        static const TableForm forms[] = { TABLE_JSON_SHORT, TABLE_JSON_PRETTY };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                _cleanup_(buf_done) Buf b = {};
                TableStyle style = { .form = forms[i] };

                assert_int_equal(table_format(t, &style, &b), 0);
                json_t *j = json_loads(b.p, 0, NULL);
                assert_non_null(j);
                CHECK_EQ(json_array_size(j), 3, "form %zu", i);
                json_t *first = json_array_get(j, 0);
                assert_string_equal(json_string_value(json_object_get(first, "addresses")),
                                    "192.168.1.2\nfe80::1\nfd00::2");
                assert_true(json_is_null(json_object_get(first, "usage")));
                json_decref(j);
        }
}

static void test_empty(void **state) {
        static const struct {
                TableStyle style;
                const char *out;
        } rows[] = {
                { { .noun = "machines" }, "No machines.\n" },
                { { .noun = "machines", .no_legend = true }, "" },
                { { .form = TABLE_JSON_SHORT, .noun = "machines" }, "[]\n" },
                { { .form = TABLE_JSON_PRETTY, .noun = "machines" }, "[]\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(table_freep) Table *t = NULL;
                _cleanup_(buf_done) Buf b = {};

                assert_int_equal(table_new(columns, ELEMENTSOF(columns), &t), 0);
                assert_int_equal(table_sort(t, 0), 0);
                assert_int_equal(table_format(t, &rows[i].style, &b), 0);
                CHECK_STR(strempty(b.p), rows[i].out, "row %zu", i);
        }
}

static void test_ratio(void **state) {
        static const TableColumn c[] = { { "percent", .flags = TABLE_RIGHT } };
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_(buf_done) Buf text = {}, json = {};
        TableStyle style = { .no_legend = true };

        assert_int_equal(table_new(c, 1, &t), 0);
        table_add_ratio(t, 0.456);
        table_add_ratio(t, 0.9996);
        table_add_ratio(t, 7);
        table_add_ratio(t, -1.7976931348623157e+308);
        assert_int_equal(table_format(t, &style, &text), 0);
        assert_string_equal(text.p, " 45%\n 99%\n100%\n   -\n");
        style.form = TABLE_JSON_SHORT;
        assert_int_equal(table_format(t, &style, &json), 0);
        assert_string_equal(json.p, "[{\"percent\":0.456},{\"percent\":1.000},{\"percent\":1.000},"
                                    "{\"percent\":null}]\n");
}

/* Never wider than the terminal, down to where nothing may shrink any more. */
static void test_fits(void **state) {
        for (unsigned width = 36; width < 120; width++) {
                _cleanup_(table_freep) Table *t = example();
                _cleanup_(buf_done) Buf b = {};
                _cleanup_strv_ char **lines = NULL;
                TableStyle style = { .width = width };

                assert_int_equal(table_format(t, &style, &b), 0);
                assert_int_equal(str_split(b.p, "\n", &lines), 0);
                STRV_FOREACH(line, lines)
                        if (text_width(*line) > width)
                                fail_msg("%zu columns instead of %u: %s", text_width(*line), width,
                                         *line);
        }
}

static void test_text(void **state) {
        static const struct {
                const char *in;
                size_t width;
                const char *cut5, *cut5_ascii;
        } rows[] = {
                { "", 0, "", "" },
                { "abc", 3, "abc", "abc" },
                { "abcdef", 6, "abcd…", "ab..." },
                { "äöüäöü", 6, "äöüä…", "äö..." },
                { "日本語", 6, "日本…", "日..." },
                { "e\xcc\x81tude", 5, "e\xcc\x81tude", "e\xcc\x81tude" },
                { "\xff\xfe", 2, "\xff\xfe", "\xff\xfe" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *a = text_cut(rows[i].in, 5, false);
                _cleanup_free_ char *b = text_cut(rows[i].in, 5, true);

                CHECK_EQ(text_width(rows[i].in), rows[i].width, "row %zu", i);
                CHECK_STR(a, rows[i].cut5, "row %zu", i);
                CHECK_STR(b, rows[i].cut5_ascii, "row %zu", i);
        }
        for (size_t width = 0; width < 4; width++) {
                _cleanup_free_ char *a = text_cut("abcdef", width, false);
                _cleanup_free_ char *b = text_cut("abcdef", width, true);

                CHECK_EQ(text_width(a), width, "width %zu", width);
                CHECK_EQ(text_width(b), width, "ascii, width %zu", width);
        }
}

static void test_printable(void **state) {
        static const struct {
                const char *in;
                bool lines;
                const char *out;
        } rows[] = {
                { "plain ü", false, "plain ü" },
                { "a\nb", true, "a\nb" },
                { "a\nb", false, "a\\x0ab" },
                { "\033]0;x\a", true, "\\x1b]0;x\\x07" },
                { "\xc2\x9b"
                  "31m",
                  true, "\\xc2\\x9b31m" },
                { "\xe2\x82", true, "\\xe2\\x82" },
                { "\x7f", true, "\\x7f" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *s = text_printable(rows[i].in, rows[i].lines);

                CHECK_STR(s, rows[i].out, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),    cmocka_unit_test(test_json_is_json),
                cmocka_unit_test(test_empty),     cmocka_unit_test(test_ratio),
                cmocka_unit_test(test_fits),      cmocka_unit_test(test_text),
                cmocka_unit_test(test_printable),
        };

        assert_se(setenv("TZ", "UTC", true) == 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
