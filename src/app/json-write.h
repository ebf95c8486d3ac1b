/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes JSON values one after the other, in the forms that tables have. What fails is remembered, so that a
 * caller looks once, at the end. */
#pragma once

#include "app/table.h"

#define JSON_WRITE_DEPTH 16U

typedef struct JsonWrite {
        Buf *out; /* borrowed */
        TableForm form;
        unsigned depth;
        bool filled[JSON_WRITE_DEPTH]; /* what is open at each depth has a value already */
        bool after_key;
        int r; /* of the first step that failed */
} JsonWrite;

/** json_write_init() - begin one document; @form is not TABLE_TEXT */
void json_write_init(JsonWrite *w, TableForm form, Buf *out);
/** json_write_open() - begin an array '[' or an object '{' */
void json_write_open(JsonWrite *w, char bracket);
/** json_write_close() - @bracket: ']' or '}' */
void json_write_close(JsonWrite *w, char bracket);
/** json_write_key() - name of the next value, in an object */
void json_write_key(JsonWrite *w, const char *key);
/** json_write_text() - a string; NULL = null */
void json_write_text(JsonWrite *w, const char *text);
/** json_write_raw() - a value that is JSON already, on one line */
void json_write_raw(JsonWrite *w, const char *value);
void json_write_number(JsonWrite *w, uint64_t n);
void json_write_bool(JsonWrite *w, bool b);
void json_write_null(JsonWrite *w);
/** json_write_finish() - end the document. Return: 0, or -ENOMEM if any step failed. */
int json_write_finish(JsonWrite *w);

/** json_write_member_text() - key and string; likewise the others */
void json_write_member_text(JsonWrite *w, const char *key, const char *text);
/** json_write_member_number() - UINT64_MAX, which says "unknown" or "none" in our interfaces, is null */
void json_write_member_number(JsonWrite *w, const char *key, uint64_t n);
void json_write_member_bool(JsonWrite *w, const char *key, bool b);
