/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables as text and as JSON, see table.h. Collects and lays out; where it goes (terminal, pager) and
 * what terminal there is, the caller knows. */
#include "app/table.h"

#include <ctype.h>
#include <inttypes.h>

#include "app/json-write.h"
#include "base/format.h"

typedef enum CellType {
        CELL_EMPTY,
        CELL_TEXT,
        CELL_BOOL,
        CELL_NUMBER,
        CELL_SIZE,
        CELL_TIME,
        CELL_RATIO,
} CellType;

typedef struct Cell {
        CellType type;
        union {
                char *text; /* owned */
                bool flag;
                uint64_t number;
                double ratio;
        };
} Cell;

struct Table {
        const TableColumn *columns;
        size_t n_columns;
        bool *hidden;
        Cell *cells; /* row by row */
        size_t n_cells, size;
};

int table_new(const TableColumn *columns, size_t n_columns, Table **ret) {
        _cleanup_(table_freep) Table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->columns = columns;
        t->n_columns = n_columns;
        t->hidden = calloc(n_columns, sizeof(bool));
        if (!t->hidden)
                return -ENOMEM;
        *ret = TAKE_PTR(t);
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                if (t->cells[i].type == CELL_TEXT)
                        free(t->cells[i].text);
        free(t->cells);
        free(t->hidden);
        free(t);
        return NULL;
}

/* Takes over the text of @cell, also on failure. */
static int add(Table *t, Cell cell) {
        if (t->n_cells == t->size) {
                size_t size = MAX(t->size * 2, t->n_columns * 8);
                Cell *cells = reallocarray(t->cells, size, sizeof(*cells));

                if (!cells) {
                        if (cell.type == CELL_TEXT)
                                free(cell.text);
                        return -ENOMEM;
                }
                t->cells = cells;
                t->size = size;
        }
        t->cells[t->n_cells++] = cell;
        return 0;
}

int table_add_empty(Table *t) {
        return add(t, (Cell){ .type = CELL_EMPTY });
}

int table_add_text(Table *t, const char *s) {
        if (!s || !*s)
                return table_add_empty(t);

        char *copy = strdup(s);
        return copy ? add(t, (Cell){ .type = CELL_TEXT, .text = copy }) : -ENOMEM;
}

int table_add_bool(Table *t, bool b) {
        return add(t, (Cell){ .type = CELL_BOOL, .flag = b });
}

int table_add_number(Table *t, uint64_t n) {
        return add(t, (Cell){ .type = CELL_NUMBER, .number = n });
}

int table_add_size(Table *t, uint64_t bytes) {
        if (bytes == UINT64_MAX)
                return table_add_empty(t);
        return add(t, (Cell){ .type = CELL_SIZE, .number = bytes });
}

int table_add_time(Table *t, uint64_t usec) {
        return add(t, (Cell){ .type = CELL_TIME, .number = usec == UINT64_MAX ? 0 : usec });
}

int table_add_ratio(Table *t, double ratio) {
        if (!(ratio >= 0))
                return table_add_empty(t);
        return add(t, (Cell){ .type = CELL_RATIO, .ratio = MIN(ratio, 1.0) });
}

size_t table_rows(const Table *t) {
        assert_se(t->n_columns > 0);
        return t->n_cells / t->n_columns;
}

void table_hide(Table *t, size_t column) {
        t->hidden[column] = true;
}

static int cell_compare(const Cell *a, const Cell *b) {
        if (a->type != b->type)
                return a->type < b->type ? -1 : 1;
        switch (a->type) {
        case CELL_TEXT:
                return strcmp(a->text, b->text);
        case CELL_NUMBER:
        case CELL_SIZE:
        case CELL_TIME:
                return a->number < b->number ? -1 : a->number > b->number;
        case CELL_BOOL:
                return (int) a->flag - (int) b->flag;
        case CELL_RATIO:
                return a->ratio < b->ratio ? -1 : a->ratio > b->ratio;
        case CELL_EMPTY:
                break;
        }
        return 0;
}

typedef struct SortKey {
        const Cell *cell;
        size_t row;
} SortKey;

static int sort_key_compare(const void *a, const void *b) {
        const SortKey *x = a, *y = b;
        int r = cell_compare(x->cell, y->cell);

        return r != 0 ? r : x->row < y->row ? -1 : x->row > y->row;
}

int table_sort(Table *t, size_t column) {
        size_t n = table_rows(t);
        _cleanup_free_ SortKey *keys = calloc(MAX(n, (size_t) 1), sizeof(*keys));
        _cleanup_free_ Cell *cells = calloc(MAX(t->n_cells, (size_t) 1), sizeof(*cells));

        if (!keys || !cells)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                keys[i] = (SortKey){ t->cells + i * t->n_columns + column, i };
        qsort(keys, n, sizeof(*keys), sort_key_compare);
        for (size_t i = 0; i < n; i++)
                memcpy(cells + i * t->n_columns, t->cells + keys[i].row * t->n_columns,
                       t->n_columns * sizeof(*cells));
        if (n > 0)
                memcpy(t->cells, cells, n * t->n_columns * sizeof(*cells));
        return 0;
}

/* Text. */

/* What one cell shows, as lines; the vector is the caller's. */
static int cell_lines(const Cell *c, const TableColumn *column, const TableStyle *style,
                      char ***ret) {
        _cleanup_free_ char *printable = NULL;
        const char *empty = column->empty ? column->empty : "-";
        char buffer[FORMAT_MAX];
        const char *s = empty;

        switch (c->type) {
        case CELL_EMPTY:
                break;
        case CELL_TEXT:
                s = printable = text_printable(c->text, true);
                if (!s)
                        return -ENOMEM;
                break;
        case CELL_BOOL:
                s = column->flags & TABLE_RO_RW ? (c->flag ? "ro" : "rw")
                                                : (c->flag ? "yes" : "no");
                break;
        case CELL_NUMBER:
                (void) snprintf(buffer, sizeof(buffer), "%" PRIu64, c->number);
                s = buffer;
                break;
        case CELL_SIZE:
                s = format_bytes(c->number, buffer);
                break;
        case CELL_TIME:
                s = c->number == 0 ? empty : format_timestamp(c->number, buffer);
                break;
        case CELL_RATIO:
                (void) snprintf(buffer, sizeof(buffer), "%u%%", (unsigned) (c->ratio * 100));
                s = buffer;
                break;
        }

        _cleanup_strv_ char **lines = NULL;
        int r = str_split(s, "\n", &lines);
        if (r >= 0 && !lines)
                r = strv_append(&lines, "");
        if (r < 0)
                return r;

        size_t n = strv_length(lines), max = style->lines_max;
        if (max > 0 && n > max) {
                char *last = str_format("%s%s", lines[max - 1], style->ascii ? "..." : "…");
                if (!last)
                        return -ENOMEM;
                for (size_t i = max - 1; i < n; i++)
                        free(lines[i]);
                lines[max - 1] = last;
                lines[max] = NULL;
        }
        *ret = TAKE_PTR(lines);
        return 0;
}

static char *heading(const TableColumn *c) {
        char *s = strdup(c->key);

        for (char *p = s; p && *p; p++)
                *p = (char) toupper((unsigned char) *p);
        return s;
}

/* The laid-out table: row 0 is the heading, each cell a vector of lines. */
typedef struct Layout {
        size_t n_rows, n_columns;
        char ***cells;
        size_t *widths;
        const size_t *columns; /* which columns of the table are shown */
} Layout;

static void layout_done(Layout *l) {
        for (size_t i = 0; l->cells && i < l->n_rows * l->n_columns; i++)
                strv_free(l->cells[i]);
        free(l->cells);
        free(l->widths);
}

static int layout_init(Layout *l, const Table *t, const TableStyle *style, const size_t *columns,
                       size_t n_columns) {
        *l = (Layout){ .n_rows = table_rows(t) + 1, .n_columns = n_columns, .columns = columns };
        l->cells = calloc(l->n_rows * MAX(n_columns, (size_t) 1), sizeof(char **));
        l->widths = calloc(MAX(n_columns, (size_t) 1), sizeof(size_t));
        if (!l->cells || !l->widths)
                return -ENOMEM;

        for (size_t row = 0; row < l->n_rows; row++)
                for (size_t i = 0; i < n_columns; i++) {
                        const TableColumn *c = t->columns + columns[i];
                        char ***at = l->cells + row * n_columns + i;
                        int r;

                        if (row == 0)
                                r = style->no_legend ? 0 : strv_consume(at, heading(c));
                        else
                                r = cell_lines(t->cells + (row - 1) * t->n_columns + columns[i], c,
                                               style, at);
                        if (r < 0)
                                return r;
                        STRV_FOREACH(line, *at)
                                l->widths[i] = MAX(l->widths[i], text_width(*line));
                }
        return 0;
}

/* Takes columns from the widest that may shrink until the line fits. */
static void layout_fit(Layout *l, const Table *t, unsigned width) {
        size_t total = l->n_columns > 0 ? l->n_columns - 1 : 0;

        for (size_t i = 0; i < l->n_columns; i++)
                total += l->widths[i];
        while (width > 0 && total > width) {
                size_t widest = SIZE_MAX;

                for (size_t i = 0; i < l->n_columns; i++)
                        if (!(t->columns[l->columns[i]].flags & TABLE_KEEP) && l->widths[i] > 5 &&
                            (widest == SIZE_MAX || l->widths[i] > l->widths[widest]))
                                widest = i;
                if (widest == SIZE_MAX)
                        return;
                l->widths[widest]--;
                total--;
        }
}

static int pad(Buf *out, size_t n) {
        return n > 0 ? buf_printf(out, "%*s", (int) n, "") : 0;
}

/* One cell of one line of text. */
static int put_cell(const Layout *l, const Table *t, const TableStyle *style, size_t row, size_t i,
                    const char *s, bool is_last, Buf *out) {
        const TableColumn *c = t->columns + l->columns[i];
        _cleanup_free_ char *cut = text_cut(s, l->widths[i], style->ascii);
        const char *on = "", *off = "";
        int r;

        if (!cut)
                return -ENOMEM;
        if (style->colours && row > 0 && (c->flags & TABLE_WARN_YES) && streq(cut, "yes")) {
                on = "\033[0;1;31m";
                off = "\033[0m";
        }

        size_t fill = l->widths[i] - MIN(l->widths[i], text_width(cut));
        r = c->flags & TABLE_RIGHT ? pad(out, fill) : 0;
        if (r >= 0)
                r = buf_printf(out, "%s%s%s", on, cut, off);
        if (r >= 0 && !(c->flags & TABLE_RIGHT) && !is_last)
                r = pad(out, fill);
        return r;
}

/* A row of the table, which may be several lines of text. */
static int put_row(const Layout *l, const Table *t, const TableStyle *style, size_t row, Buf *out) {
        char ***cells = l->cells + row * l->n_columns;
        bool line_under = row == 0 && style->colours;
        size_t lines = 1;
        int r = 0;

        for (size_t i = 0; i < l->n_columns; i++)
                lines = MAX(lines, strv_length(cells[i]));

        for (size_t line = 0; r >= 0 && line < lines; line++) {
                if (line_under)
                        r = buf_puts(out, "\033[0;4m");
                for (size_t i = 0; r >= 0 && i < l->n_columns; i++) {
                        bool is_last = i + 1 == l->n_columns;
                        const char *s = line < strv_length(cells[i]) ? cells[i][line] : "";

                        r = i > 0 ? buf_puts(out, " ") : 0;
                        if (r >= 0)
                                r = put_cell(l, t, style, row, i, s, is_last && !line_under, out);
                }
                if (r >= 0)
                        r = buf_puts(out, line_under ? "\033[0m\n" : "\n");
        }
        return r;
}

static int put_footer(const Table *t, const TableStyle *style, Buf *out) {
        size_t n = table_rows(t);

        if (style->no_legend || !style->noun)
                return 0;
        if (n == 0)
                return buf_printf(out, "No %s.\n", style->noun);
        return buf_printf(out, "\n%zu %s listed.\n", n, style->noun);
}

static int format_text(const Table *t, const TableStyle *style, const size_t *columns,
                       size_t n_columns, Buf *out) {
        _cleanup_(layout_done) Layout l = {};
        int r = 0;

        if (table_rows(t) > 0) {
                r = layout_init(&l, t, style, columns, n_columns);
                if (r < 0)
                        return r;
                layout_fit(&l, t, style->width);
        }
        for (size_t row = style->no_legend; r >= 0 && row < l.n_rows; row++)
                r = put_row(&l, t, style, row, out);
        return r < 0 ? r : put_footer(t, style, out);
}

/* JSON. */

static void json_cell(const Cell *c, JsonWrite *w) {
        switch (c->type) {
        case CELL_TEXT:
                json_write_text(w, c->text);
                return;
        case CELL_BOOL:
                json_write_bool(w, c->flag);
                return;
        case CELL_NUMBER:
        case CELL_SIZE:
        case CELL_TIME:
                json_write_number(w, c->number);
                return;
        case CELL_RATIO: { /* by hand: printf() would ask the locale for the point */
                unsigned thousandths = (unsigned) (c->ratio * 1000 + 0.5);
                char text[32];

                (void) snprintf(text, sizeof text, "%u.%03u", thousandths / 1000,
                                thousandths % 1000);
                json_write_raw(w, text);
                return;
        }
        case CELL_EMPTY:
                json_write_null(w);
        }
}

static int format_json(const Table *t, TableForm form, const size_t *columns, size_t n_columns,
                       Buf *out) {
        JsonWrite w;

        json_write_init(&w, form, out);
        json_write_open(&w, '[');
        for (size_t row = 0; row < table_rows(t); row++) {
                json_write_open(&w, '{');
                for (size_t i = 0; i < n_columns; i++) {
                        json_write_key(&w, t->columns[columns[i]].key);
                        json_cell(t->cells + row * t->n_columns + columns[i], &w);
                }
                json_write_close(&w, '}');
        }
        json_write_close(&w, ']');
        return json_write_finish(&w);
}

int table_format(const Table *t, const TableStyle *style, Buf *out) {
        _cleanup_free_ size_t *columns = calloc(MAX(t->n_columns, (size_t) 1), sizeof(size_t));
        size_t n = 0;

        if (!columns)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_columns; i++)
                if (!t->hidden[i])
                        columns[n++] = i;
        return style->form == TABLE_TEXT ? format_text(t, style, columns, n, out)
                                         : format_json(t, style->form, columns, n, out);
}
