/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON objects by tables, see json-shape.h. The text is checked once as a whole; then one cursor goes over it
 * and each kind of value moves it past what it read. How deep this calls itself is how deep shapes are, which
 * are constants of ours and not what the text says. */
#include "base/json-shape.h"

#include <inttypes.h>

#include "base/json.h"

/* Where the reader is, for messages. */
typedef struct Frame Frame;
struct Frame {
        const Frame *up;
        const char *name; /* NULL = an entry of a list */
        size_t index;
};

struct JsonReader {
        const char *p;
        const Frame *frame;
        Error *e;
};

static int put_path(const Frame *f, Buf *out) {
        int r = f->up ? put_path(f->up, out) : 0;

        if (r < 0)
                return r;
        if (!f->name)
                return buf_printf(out, "[%zu]", f->index);
        _cleanup_free_ char *name = str_escape(f->name, "");
        return name ? buf_printf(out, "%s%.80s", f->up ? "." : "", name) : -ENOMEM;
}

/* Return: -@err, with the path before the cause. */
static int fail(JsonReader *r, int err, const char *cause) {
        _cleanup_(buf_done) Buf path = {};

        if (r->frame && put_path(r->frame, &path) < 0)
                return error_oom(r->e);
        return path.n > 0 ? error_set(r->e, err, "%s: %s", path.p, cause)
                          : error_set(r->e, err, "%s", cause);
}

static int fail_number(JsonReader *r, int err) {
        return err == -ENOMEM
                       ? error_oom(r->e)
                       : fail(r, EINVAL, err == -ERANGE ? "out of range" : "not a whole number");
}

static bool is_null(const char *p) {
        return str_skip_prefix(p, "null");
}

static void *field(void *structure, const JsonRow *row) {
        return (char *) structure + row->at;
}

static const void *const_field(const void *structure, const JsonRow *row) {
        return (const char *) structure + row->at;
}

/* Lists, whatever is in them. */
typedef struct List {
        char *v;
        size_t n;
} List;

/* Room for one more, all zero. */
static int list_grow(JsonReader *r, List *l, size_t size, void **ret) {
        if (l->n >= JSON_LIST_MAX)
                return fail(r, E2BIG, "too many entries");
        /* Doubled at each power of two. */
        if ((l->n & (l->n - 1)) == 0) {
                char *v = reallocarray(l->v, l->n > 0 ? l->n * 2 : 1, size);

                if (!v)
                        return error_oom(r->e);
                l->v = v;
        }
        *ret = memset(l->v + l->n * size, 0, size);
        l->n++;
        return 0;
}

/* Goes through the entries of an array or object. Return: 1 the cursor is at one; 0 it is behind the last. */
static int next_entry(JsonReader *r, bool first, char close) {
        if (first)
                r->p = json_space(r->p + 1);
        if (*r->p == close) {
                r->p = json_space(r->p + 1);
                return 0;
        }
        if (!first) /* The text has been checked: this is a comma. */
                r->p = json_space(r->p + 1);
        return 1;
}

/* Reads each entry of an array with @read, which gets @arg and the number of the entry. */
static int read_array(JsonReader *r, const JsonRow *row, void *at,
                      int (*read)(JsonReader *r, const JsonRow *row, void *at)) {
        Frame frame = { .up = r->frame };

        if (*r->p != '[')
                return fail(r, EINVAL, "not a list");
        for (bool first = true; next_entry(r, first, ']') > 0; first = false, frame.index++) {
                r->frame = &frame;
                int k = read(r, row, at);
                if (k < 0)
                        return k;
                r->frame = frame.up;
        }
        return 0;
}

static int take_string(JsonReader *r, char **ret) {
        int k;

        if (*r->p != '"')
                return fail(r, EINVAL, "not a string");
        k = json_string(r->p, ret);
        if (k == -ENOMEM)
                return error_oom(r->e);
        if (k < 0)
                return fail(r, EINVAL, "not a string that can be used");
        if (!str_is_utf8(*ret, strlen(*ret))) {
                *ret = (free(*ret), NULL);
                return fail(r, EINVAL, "not UTF-8");
        }
        r->p = json_skip(r->p);
        return 0;
}

static int take_checked(JsonReader *r, const JsonRow *row, char **ret) {
        _cleanup_free_ char *s = NULL;
        const char *wrong;
        int k = take_string(r, &s);

        if (k < 0)
                return k;
        wrong = row->check ? row->check(s) : NULL;
        if (wrong)
                return fail(r, EINVAL, wrong);
        *ret = TAKE_PTR(s);
        return 0;
}

/* The name of a member, and the cursor at its value. */
static int take_name(JsonReader *r, char **ret) {
        int k = take_string(r, ret);

        if (k >= 0)
                r->p = json_space(r->p + 1);
        return k;
}

/* Strings */

static int read_string(JsonReader *r, const JsonRow *row, void *at) {
        return take_checked(r, row, at);
}

static bool string_is_set(const JsonRow *row, const void *at) {
        return *(char *const *) at;
}

static int write_string(const JsonRow *row, const void *at, Buf *out) {
        return json_puts(out, *(char *const *) at);
}

static void string_done(const JsonRow *row, void *at) {
        free(*(char **) at);
}

const JsonKind json_string_kind = { read_string, string_is_set, write_string, string_done };

static int read_one_of_strings(JsonReader *r, const JsonRow *row, void *at) {
        void *slot = NULL;
        int k = list_grow(r, at, sizeof(char *), &slot);

        return k < 0 ? k : take_checked(r, row, slot);
}

static int read_strings(JsonReader *r, const JsonRow *row, void *at) {
        List l = {};
        void *end;
        int k = read_array(r, row, &l, read_one_of_strings);

        if (k >= 0 && l.n > 0)
                k = list_grow(r, &l, sizeof(char *), &end);
        if (k < 0) {
                for (size_t i = 0; i < l.n; i++)
                        free(((char **) (void *) l.v)[i]);
                free(l.v);
                return k;
        }
        *(char ***) at = (char **) (void *) l.v;
        return 0;
}

static int write_strings(const JsonRow *row, const void *at, Buf *out) {
        char **v = *(char ***) (uintptr_t) at;
        int k = buf_puts(out, "[");

        STRV_FOREACH(s, v)
                if (k >= 0 && (s == v || (k = buf_puts(out, ",")) >= 0))
                        k = json_puts(out, *s);
        return k < 0 ? k : buf_puts(out, "]");
}

static void strings_done(const JsonRow *row, void *at) {
        strv_free(*(char ***) at);
}

const JsonKind json_strings_kind = { read_strings, string_is_set, write_strings, strings_done };

/* Booleans */

static int read_bool(JsonReader *r, const JsonRow *row, void *at) {
        bool v = str_skip_prefix(r->p, "true");

        if (!v && !str_skip_prefix(r->p, "false"))
                return fail(r, EINVAL, "neither true nor false");
        r->p = json_skip(r->p);
        *(bool *) at = v;
        return 0;
}

static bool bool_is_set(const JsonRow *row, const void *at) {
        return *(const bool *) at;
}

static int write_bool(const JsonRow *row, const void *at, Buf *out) {
        return buf_puts(out, *(const bool *) at ? "true" : "false");
}

const JsonKind json_bool_kind = { read_bool, bool_is_set, write_bool, NULL };

static int read_maybe(JsonReader *r, const JsonRow *row, void *at) {
        JsonBool *b = at;

        b->set = true;
        return read_bool(r, row, &b->value);
}

static bool maybe_is_set(const JsonRow *row, const void *at) {
        return ((const JsonBool *) at)->set;
}

static int write_maybe(const JsonRow *row, const void *at, Buf *out) {
        return write_bool(row, &((const JsonBool *) at)->value, out);
}

const JsonKind json_maybe_kind = { read_maybe, maybe_is_set, write_maybe, NULL };

/* Numbers */

static int read_integer(JsonReader *r, const JsonRow *row, void *at) {
        JsonInteger *n = at;
        int k = json_integer(r->p, &n->value);

        if (k >= 0 && row->max != 0 &&
            (n->value < row->min || (n->value > 0 && (uint64_t) n->value > row->max)))
                k = -ERANGE;
        if (k < 0)
                return fail_number(r, k);
        n->set = true;
        r->p = json_skip(r->p);
        return 0;
}

static bool integer_is_set(const JsonRow *row, const void *at) {
        return ((const JsonInteger *) at)->set;
}

static int write_integer(const JsonRow *row, const void *at, Buf *out) {
        return buf_printf(out, "%" PRIi64, ((const JsonInteger *) at)->value);
}

const JsonKind json_integer_kind = { read_integer, integer_is_set, write_integer, NULL };

static int take_unsigned(JsonReader *r, const JsonRow *row, uint64_t *ret) {
        uint64_t n;
        int k = json_unsigned(r->p, &n);

        if (k >= 0 && row->max != 0 && (n > row->max || (row->min > 0 && n < (uint64_t) row->min)))
                k = -ERANGE;
        if (k < 0)
                return fail_number(r, k);
        r->p = json_skip(r->p);
        *ret = n;
        return 0;
}

static int read_unsigned(JsonReader *r, const JsonRow *row, void *at) {
        JsonUnsigned *n = at;

        n->set = true;
        return take_unsigned(r, row, &n->value);
}

static bool unsigned_is_set(const JsonRow *row, const void *at) {
        return ((const JsonUnsigned *) at)->set;
}

static int write_unsigned(const JsonRow *row, const void *at, Buf *out) {
        return buf_printf(out, "%" PRIu64, ((const JsonUnsigned *) at)->value);
}

const JsonKind json_unsigned_kind = { read_unsigned, unsigned_is_set, write_unsigned, NULL };

static bool list_is_set(const JsonRow *row, const void *at) {
        return ((const List *) at)->n > 0;
}

static void list_done(const JsonRow *row, void *at) {
        free(((List *) at)->v);
}

static int read_one_of_numbers(JsonReader *r, const JsonRow *row, void *at) {
        void *slot = NULL;
        int k = list_grow(r, at, sizeof(uint64_t), &slot);

        return k < 0 ? k : take_unsigned(r, row, slot);
}

static int read_numbers(JsonReader *r, const JsonRow *row, void *at) {
        return read_array(r, row, at, read_one_of_numbers);
}

static int write_numbers(const JsonRow *row, const void *at, Buf *out) {
        const JsonNumbers *l = at;
        int k = buf_puts(out, "[");

        for (size_t i = 0; i < l->n && k >= 0; i++)
                k = buf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", l->v[i]);
        return k < 0 ? k : buf_puts(out, "]");
}

const JsonKind json_numbers_kind = { read_numbers, list_is_set, write_numbers, list_done };

/* One of some names */

static int take_choice(JsonReader *r, const JsonRow *row, int *ret) {
        _cleanup_free_ char *s = NULL;
        int k = take_string(r, &s);

        if (k < 0)
                return k;
        for (int i = 0; row->names[i]; i++)
                if (streq(s, row->names[i])) {
                        *ret = i;
                        return 0;
                }
        _cleanup_free_ char *shown = str_escape(s, ""), *cause = NULL;
        if (shown)
                cause = str_format("'%.60s' is unknown", shown);
        return cause ? fail(r, EINVAL, cause) : error_oom(r->e);
}

static int read_choice(JsonReader *r, const JsonRow *row, void *at) {
        return take_choice(r, row, at);
}

static bool choice_is_set(const JsonRow *row, const void *at) {
        return *(const int *) at != 0;
}

static int write_choice(const JsonRow *row, const void *at, Buf *out) {
        return json_puts(out, row->names[*(const int *) at]);
}

const JsonKind json_choice_kind = { read_choice, choice_is_set, write_choice, NULL };

static int read_one_of_choices(JsonReader *r, const JsonRow *row, void *at) {
        int i = 0, k = take_choice(r, row, &i);

        if (k >= 0 && i > 0)
                *(uint64_t *) at |= UINT64_C(1) << i;
        return k;
}

static int read_choices(JsonReader *r, const JsonRow *row, void *at) {
        return read_array(r, row, at, read_one_of_choices);
}

static bool choices_is_set(const JsonRow *row, const void *at) {
        return *(const uint64_t *) at != 0;
}

static int write_choices(const JsonRow *row, const void *at, Buf *out) {
        uint64_t set = *(const uint64_t *) at;
        bool first = true;
        int k = buf_puts(out, "[");

        for (int i = 1; row->names[i] && k >= 0; i++) {
                if (!(set >> i & 1))
                        continue;
                if (!first)
                        k = buf_puts(out, ",");
                if (k >= 0)
                        k = json_puts(out, row->names[i]);
                first = false;
        }
        return k < 0 ? k : buf_puts(out, "]");
}

const JsonKind json_choices_kind = { read_choices, choices_is_set, write_choices, NULL };

/* Objects */

/* Return: the row of the member whose name is at the cursor; NULL if there is none. */
static const JsonRow *find_row(const JsonShape *shape, const char *name) {
        for (size_t i = 0; i < shape->n; i++)
                if (streq(shape->rows[i].name, name))
                        return shape->rows + i;
        return NULL;
}

static int fail_at(JsonReader *r, const char *name, const char *cause) {
        Frame frame = { .up = r->frame, .name = name };

        r->frame = &frame;
        int k = fail(r, EINVAL, cause);
        r->frame = frame.up;
        return k;
}

static int read_member(JsonReader *r, const JsonRow *row, void *structure) {
        Frame frame = { .up = r->frame, .name = row->name };

        if (is_null(r->p)) {
                r->p = json_skip(r->p);
                return 0;
        }
        r->frame = &frame;
        int k = row->kind->read(r, row, field(structure, row));
        r->frame = frame.up;
        return k;
}

static int check_object(JsonReader *r, const JsonShape *shape, uint64_t seen, const void *at) {
        const char *wrong;

        for (size_t i = 0; i < shape->n; i++)
                if (shape->rows[i].required && !(seen >> i & 1))
                        return fail_at(r, shape->rows[i].name, "missing");
        wrong = shape->check ? shape->check(at) : NULL;
        return wrong ? fail(r, EINVAL, wrong) : 0;
}

static int read_shape(JsonReader *r, const JsonShape *shape, void *at) {
        uint64_t seen = 0;

        if (*r->p != '{')
                return fail(r, EINVAL, "not an object");
        for (bool first = true; next_entry(r, first, '}') > 0; first = false) {
                _cleanup_free_ char *name = NULL;
                int k = take_name(r, &name);

                if (k < 0)
                        return k;
                const JsonRow *row = find_row(shape, name);
                if (!row) {
                        r->p = json_skip(r->p);
                        continue;
                }
                uint64_t bit = UINT64_C(1) << (row - shape->rows);
                if (seen & bit)
                        return fail_at(r, name, "given twice");
                if (!is_null(r->p))
                        seen |= bit;
                k = read_member(r, row, at);
                if (k < 0)
                        return k;
        }
        return check_object(r, shape, seen, at);
}

static int read_object(JsonReader *r, const JsonRow *row, void *at) {
        return read_shape(r, row->shape, at);
}

static bool shape_is_set(const JsonShape *shape, const void *at) {
        for (size_t i = 0; i < shape->n; i++) {
                const JsonRow *row = shape->rows + i;
                if (row->required || row->kind->is_set(row, const_field(at, row)))
                        return true;
        }
        return false;
}

static bool object_is_set(const JsonRow *row, const void *at) {
        return row->required || shape_is_set(row->shape, at);
}

static int write_object(const JsonRow *row, const void *at, Buf *out) {
        return json_shape_write(row->shape, at, out);
}

static void object_done(const JsonRow *row, void *at) {
        json_shape_done(row->shape, at);
}

const JsonKind json_object_kind = { read_object, object_is_set, write_object, object_done };

static int read_maybe_object(JsonReader *r, const JsonRow *row, void *at) {
        void *structure = calloc(1, row->shape->size);

        if (!structure)
                return error_oom(r->e);
        *(void **) at = structure;
        return read_shape(r, row->shape, structure);
}

static int write_maybe_object(const JsonRow *row, const void *at, Buf *out) {
        return json_shape_write(row->shape, *(void *const *) at, out);
}

static void maybe_object_done(const JsonRow *row, void *at) {
        void *structure = *(void **) at;

        if (structure)
                json_shape_done(row->shape, structure);
        free(structure);
}

const JsonKind json_maybe_object_kind = { read_maybe_object, string_is_set, write_maybe_object,
                                          maybe_object_done };

static int read_one_of_objects(JsonReader *r, const JsonRow *row, void *at) {
        void *slot = NULL;
        int k = list_grow(r, at, row->shape->size, &slot);

        return k < 0 ? k : read_shape(r, row->shape, slot);
}

static int read_objects(JsonReader *r, const JsonRow *row, void *at) {
        return read_array(r, row, at, read_one_of_objects);
}

static int write_objects(const JsonRow *row, const void *at, Buf *out) {
        const List *l = at;
        int k = buf_puts(out, "[");

        for (size_t i = 0; i < l->n && k >= 0; i++) {
                k = i > 0 ? buf_puts(out, ",") : 0;
                if (k >= 0)
                        k = json_shape_write(row->shape, l->v + i * row->shape->size, out);
        }
        return k < 0 ? k : buf_puts(out, "]");
}

static void objects_done(const JsonRow *row, void *at) {
        List *l = at;

        for (size_t i = 0; i < l->n; i++)
                json_shape_done(row->shape, l->v + i * row->shape->size);
        free(l->v);
}

const JsonKind json_objects_kind = { read_objects, list_is_set, write_objects, objects_done };

/* Objects whose names are data */

/* A new entry, which @name then belongs to; it is freed on failure. */
static int map_entry(JsonReader *r, List *l, size_t size, char *name, void **ret) {
        if (l->n >= JSON_MAP_MAX) {
                free(name);
                return fail(r, E2BIG, "too many entries");
        }
        for (size_t i = 0; i < l->n; i++) {
                char **entry = (char **) (void *) (l->v + i * size);
                if (streq(*entry, name)) {
                        free(name);
                        return fail_at(r, *entry, "given twice");
                }
        }
        int k = list_grow(r, l, size, ret);
        if (k < 0)
                free(name);
        else
                *(char **) *ret = name;
        return k;
}

static int read_map_with(JsonReader *r, const JsonRow *row, List *l, size_t size,
                         int (*read)(JsonReader *r, const JsonRow *row, void *entry)) {
        if (*r->p != '{')
                return fail(r, EINVAL, "not an object");
        for (bool first = true; next_entry(r, first, '}') > 0; first = false) {
                char *name = NULL;
                void *entry = NULL;
                int k = take_name(r, &name);

                if (k >= 0)
                        k = map_entry(r, l, size, name, &entry);
                if (k < 0)
                        return k;
                Frame frame = { .up = r->frame, .name = *(char **) entry };
                r->frame = &frame;
                k = read(r, row, entry);
                r->frame = frame.up;
                if (k < 0)
                        return k;
        }
        return 0;
}

static int read_pair(JsonReader *r, const JsonRow *row, void *entry) {
        return take_string(r, &((JsonPair *) entry)->value);
}

static int read_pairs(JsonReader *r, const JsonRow *row, void *at) {
        return read_map_with(r, row, at, sizeof(JsonPair), read_pair);
}

static int write_pairs(const JsonRow *row, const void *at, Buf *out) {
        const JsonPairs *l = at;
        int k = buf_puts(out, "{");

        for (size_t i = 0; i < l->n && k >= 0; i++) {
                k = i > 0 ? buf_puts(out, ",") : 0;
                if (k >= 0)
                        k = json_puts(out, l->v[i].name);
                if (k >= 0)
                        k = buf_puts(out, ":");
                if (k >= 0)
                        k = json_puts(out, l->v[i].value);
        }
        return k < 0 ? k : buf_puts(out, "}");
}

static void pairs_done(const JsonRow *row, void *at) {
        JsonPairs *l = at;

        for (size_t i = 0; i < l->n; i++) {
                free(l->v[i].name);
                free(l->v[i].value);
        }
        free(l->v);
}

const JsonKind json_pairs_kind = { read_pairs, list_is_set, write_pairs, pairs_done };

static int read_mapped(JsonReader *r, const JsonRow *row, void *entry) {
        return read_shape(r, row->shape, entry);
}

static int read_map(JsonReader *r, const JsonRow *row, void *at) {
        return read_map_with(r, row, at, row->shape->size, read_mapped);
}

static int write_map(const JsonRow *row, const void *at, Buf *out) {
        const List *l = at;
        int k = buf_puts(out, "{");

        for (size_t i = 0; i < l->n && k >= 0; i++) {
                const char *entry = l->v + i * row->shape->size;

                k = i > 0 ? buf_puts(out, ",") : 0;
                if (k >= 0)
                        k = json_puts(out, *(char *const *) (const void *) entry);
                if (k >= 0)
                        k = buf_puts(out, ":");
                if (k >= 0)
                        k = json_shape_write(row->shape, entry, out);
        }
        return k < 0 ? k : buf_puts(out, "}");
}

static void map_done(const JsonRow *row, void *at) {
        List *l = at;

        for (size_t i = 0; i < l->n; i++)
                free(*(char **) (void *) (l->v + i * row->shape->size));
        objects_done(row, at);
}

const JsonKind json_map_kind = { read_map, list_is_set, write_map, map_done };

int json_shape_parse(const JsonShape *shape, const char *text, void *at, Error *e) {
        JsonReader r = { .p = json_space(text), .e = e };

        if (json_check(text) < 0)
                return error_set(e, EINVAL, "not a JSON text");
        return read_shape(&r, shape, at);
}

int json_shape_write(const JsonShape *shape, const void *at, Buf *out) {
        bool first = true;
        int k = buf_puts(out, "{");

        for (size_t i = 0; i < shape->n && k >= 0; i++) {
                const JsonRow *row = shape->rows + i;
                const void *value = const_field(at, row);

                if (!row->kind->is_set(row, value) && !row->required)
                        continue;
                k = first ? 0 : buf_puts(out, ",");
                first = false;
                if (k >= 0)
                        k = json_puts(out, row->name);
                if (k >= 0)
                        k = buf_puts(out, ":");
                if (k >= 0)
                        k = row->kind->write(row, value, out);
        }
        return k < 0 ? k : buf_puts(out, "}");
}

void json_shape_done(const JsonShape *shape, void *at) {
        for (size_t i = 0; i < shape->n; i++)
                if (shape->rows[i].kind->done)
                        shape->rows[i].kind->done(shape->rows + i, field(at, shape->rows + i));
        memset(at, 0, shape->size);
}

const char *json_pairs_get(const JsonPairs *pairs, const char *name) {
        for (size_t i = 0; i < pairs->n; i++)
                if (streq(pairs->v[i].name, name))
                        return pairs->v[i].value;
        return NULL;
}
