/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people and for programs: the same rows as aligned text that fits the terminal, or as JSON.
 * A cell keeps its value as it is (a number, a size, a point in time); the form is chosen on output. */
#pragma once

#include "base/error.h"
#include "base/text.h"

typedef enum TableForm {
        TABLE_TEXT,
        TABLE_JSON_SHORT,  /* one line */
        TABLE_JSON_PRETTY, /* one value a line, indented by tabs */
        TABLE_JSON_SEQ,    /* RFC 7464: record separator, then one line */
        TABLE_JSON_SSE,    /* "data: …", as server-sent events */
} TableForm;

typedef enum TableColumnFlags {
        TABLE_RIGHT = 1 << 0,    /* align to the right */
        TABLE_KEEP = 1 << 1,     /* is never cut short to fit the terminal */
        TABLE_WARN_YES = 1 << 2, /* a "yes" is worth a look: red where there are colours */
        TABLE_RO_RW = 1 << 3,    /* yes is "ro", no is "rw" */
} TableColumnFlags;

typedef struct TableColumn {
        const char *key;   /* lower case: the key in JSON; in capitals the heading */
        const char *empty; /* what an empty cell shows as text; NULL = "-" */
        TableColumnFlags flags;
} TableColumn;

/* How to show it; all zero is plain text of any width with heading and footer. */
typedef struct TableStyle {
        TableForm form;
        bool no_legend;     /* neither heading nor footer */
        bool colours;       /* underline the heading, mark what is worth a look */
        bool ascii;         /* the reader cannot show "…": "..." instead */
        unsigned width;     /* columns of the terminal; 0 = as wide as need be */
        unsigned lines_max; /* of a cell with several lines; 0 = all, 1 = the first and "…" */
        const char *noun;   /* plural, for the footer "2 machines listed."; NULL = no footer */
} TableStyle;

typedef struct Table Table;

/** table_new() - an empty table
 * @columns: borrowed, must outlive the table
 * Return: 0 or -ENOMEM. */
int table_new(const TableColumn *columns, size_t n_columns, Table **ret);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free)

/* Cells are added one after the other, row by row from the left. Return of all: 0 or -ENOMEM. */

/** table_add_empty() - nothing is known: the column's empty text, null in JSON */
int table_add_empty(Table *t);
/** table_add_text() - a string of any bytes; NULL or "" is an empty cell. Several lines are allowed. */
int table_add_text(Table *t, const char *s);
/** table_add_bool() - yes or no */
int table_add_bool(Table *t, bool b);
/** table_add_number() - a plain number */
int table_add_number(Table *t, uint64_t n);
/** table_add_size() - bytes; UINT64_MAX is an empty cell */
int table_add_size(Table *t, uint64_t bytes);
/** table_add_time() - µs since 1970; 0 or UINT64_MAX shows as an empty cell, and as 0 in JSON */
int table_add_time(Table *t, uint64_t usec);
/** table_add_ratio() - 0 to 1, shown as percent; below 0 is an empty cell */
int table_add_ratio(Table *t, double ratio);

/** table_rows() - number of complete rows */
size_t table_rows(const Table *t);
/** table_sort() - by the text or number of a column, keeping the order of equals.
 * Return: 0 or -ENOMEM, order unchanged. */
int table_sort(Table *t, size_t column);
/** table_hide() - leave a column out of every form */
void table_hide(Table *t, size_t column);

/** table_format() - add the whole table to @out, last row complete
 * Return: 0 or -ENOMEM. */
int table_format(const Table *t, const TableStyle *style, Buf *out);

/** text_width() - columns that UTF-8 text takes on a terminal; a byte that is not UTF-8 counts one */
size_t text_width(const char *s);
/** text_cut() - cut text to @width columns, its end replaced by "…" (or "..." with @ascii)
 * Return: a new string; NULL = out of memory. */
char *text_cut(const char *s, size_t width, bool ascii);
/** text_printable() - a copy in which control characters and bad UTF-8 are escapes ("\x1b"), so that
 * foreign text cannot drive the terminal; newlines stay if @lines. NULL = out of memory. */
char *text_printable(const char *s, bool lines);
