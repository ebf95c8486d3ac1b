/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Foreign text in a table, as names and versions out of guests are: as text it drives no terminal and
 * keeps to the width, as JSON a parser reads it. The first two bytes are the width and the form. */
#include "fuzz.h"

#include <jansson.h>

#include "app/table.h"

static const TableColumn columns[] = {
        { "one" },
        { "two", .flags = TABLE_RIGHT },
        { "three", .empty = "" },
};

static void check_text(const char *s, unsigned width) {
        _cleanup_strv_ char **lines = NULL;

        for (const char *c = s; *c; c++)
                assert_se(((unsigned char) *c >= 0x20 && *c != 0x7f) || *c == '\n');
        assert_se(str_is_utf8(s, strlen(s)));
        assert_se(str_split(s, "\n", &lines) >= 0);
        STRV_FOREACH(line, lines)
                assert_se(text_width(*line) <= width);
}

static void check_json(const char *s) {
        json_t *j = json_loads(s, 0, NULL);

        assert_se(json_is_array(j));
        json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_(buf_done) Buf out = {};

        if (size < 2 || size > 4096)
                return 0;
        TableStyle style = {
                .width = 20U + data[0] % 100,
                .form = data[1] % 3,
                .lines_max = data[1] >> 2 & 3,
                .ascii = data[1] & 0x10,
        };
        _cleanup_free_ char *text = strndup((const char *) data + 2, size - 2);
        _cleanup_strv_ char **cells = NULL;

        assert_se(text && str_split(text, "\x01", &cells) >= 0);
        assert_se(table_new(columns, ELEMENTSOF(columns), &t) >= 0);
        STRV_FOREACH(cell, cells)
                assert_se(table_add_text(t, *cell) >= 0);
        while (strv_length(cells) % ELEMENTSOF(columns) != 0) {
                assert_se(strv_append(&cells, "x") >= 0 && table_add_empty(t) >= 0);
        }
        assert_se(table_sort(t, 0) >= 0 && table_format(t, &style, &out) >= 0);
        if (style.form == TABLE_TEXT)
                check_text(strempty(out.p), style.width);
        else
                check_json(out.p);
        return 0;
}
