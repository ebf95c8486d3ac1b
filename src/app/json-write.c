/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON as it is written, see json-write.h. Knows commas, brackets and white space; what is in a document is
 * the caller's. */
#include "app/json-write.h"

#include <inttypes.h>

#include "base/json.h"

static void put(JsonWrite *w, const char *s) {
        if (w->r >= 0)
                w->r = buf_puts(w->out, s);
}

static void new_line(JsonWrite *w) {
        if (w->form != TABLE_JSON_PRETTY)
                return;
        put(w, "\n");
        for (unsigned i = 0; i < w->depth; i++)
                put(w, "\t");
}

/* What comes before a value, or before the key of one. */
static void separate(JsonWrite *w) {
        if (w->after_key) {
                w->after_key = false;
                return;
        }
        if (w->depth == 0)
                return;
        if (w->filled[w->depth - 1])
                put(w, ",");
        w->filled[w->depth - 1] = true;
        new_line(w);
}

void json_write_init(JsonWrite *w, TableForm form, Buf *out) {
        assert_se(form != TABLE_TEXT);
        *w = (JsonWrite){ .form = form, .out = out };
        if (form == TABLE_JSON_SEQ)
                put(w, "\x1e");
        else if (form == TABLE_JSON_SSE)
                put(w, "data: ");
}

void json_write_open(JsonWrite *w, char bracket) {
        const char text[] = { bracket, '\0' };

        separate(w);
        put(w, text);
        assert_se(w->depth < JSON_WRITE_DEPTH);
        w->filled[w->depth++] = false;
}

void json_write_close(JsonWrite *w, char bracket) {
        const char text[] = { bracket, '\0' };

        assert_se(w->depth > 0);
        if (w->filled[--w->depth])
                new_line(w);
        put(w, text);
}

void json_write_key(JsonWrite *w, const char *key) {
        separate(w);
        if (w->r >= 0)
                w->r = json_puts(w->out, key);
        put(w, w->form == TABLE_JSON_PRETTY ? " : " : ":");
        w->after_key = true;
}

void json_write_raw(JsonWrite *w, const char *value) {
        separate(w);
        put(w, value);
}

void json_write_text(JsonWrite *w, const char *text) {
        if (!text) {
                json_write_null(w);
                return;
        }
        separate(w);
        if (w->r >= 0)
                w->r = json_puts(w->out, text);
}

void json_write_number(JsonWrite *w, uint64_t n) {
        char text[24];

        (void) snprintf(text, sizeof text, "%" PRIu64, n);
        json_write_raw(w, text);
}

void json_write_bool(JsonWrite *w, bool b) {
        json_write_raw(w, b ? "true" : "false");
}

void json_write_null(JsonWrite *w) {
        json_write_raw(w, "null");
}

int json_write_finish(JsonWrite *w) {
        assert_se(w->depth == 0);
        put(w, w->form == TABLE_JSON_SSE ? "\n\n" : "\n");
        return w->r;
}

void json_write_member_text(JsonWrite *w, const char *key, const char *text) {
        json_write_key(w, key);
        json_write_text(w, text);
}

void json_write_member_number(JsonWrite *w, const char *key, uint64_t n) {
        json_write_key(w, key);
        if (n == UINT64_MAX)
                json_write_null(w);
        else
                json_write_number(w, n);
}

void json_write_member_bool(JsonWrite *w, const char *key, bool b) {
        json_write_key(w, key);
        json_write_bool(w, b);
}
