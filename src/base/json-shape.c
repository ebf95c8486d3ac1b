/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON objects by tables, see json-shape.h. The text is checked once as a whole; then one cursor goes over it
 * and each kind of value moves it past what it read. How deep this calls itself is how deep shapes are, which
 * are constants of ours and not what the text says. */
#include "base/json-reader.h"

#include "base/json.h"

/* Return: the row of the member whose name is at the cursor; NULL if there is none. */
static const JsonRow *find_row(const JsonShape *shape, const char *name) {
        for (size_t i = 0; i < shape->n; i++)
                if (streq(shape->rows[i].name, name))
                        return shape->rows + i;
        return NULL;
}

static int fail_at(JsonReader *r, const char *name, const char *cause) {
        JsonFrame frame = { .up = r->frame, .name = name };

        r->frame = &frame;
        int k = json_fail(r, EINVAL, cause);
        r->frame = frame.up;
        return k;
}

static int read_member(JsonReader *r, const JsonRow *row, void *structure) {
        JsonFrame frame = { .up = r->frame, .name = row->name };

        if (json_is_null(r->p)) {
                r->p = json_skip(r->p);
                return 0;
        }
        r->frame = &frame;
        int k = row->kind->read(r, row, json_field(structure, row));
        r->frame = frame.up;
        return k;
}

static int check_object(JsonReader *r, const JsonShape *shape, uint64_t seen, const void *at) {
        const char *wrong;

        for (size_t i = 0; i < shape->n; i++)
                if (shape->rows[i].required && !(seen >> i & 1))
                        return fail_at(r, shape->rows[i].name, "missing");
        wrong = shape->check ? shape->check(at) : NULL;
        return wrong ? json_fail(r, EINVAL, wrong) : 0;
}

static int read_shape(JsonReader *r, const JsonShape *shape, void *at) {
        uint64_t seen = 0;

        if (*r->p != '{')
                return json_fail(r, EINVAL, "not an object");
        for (bool first = true; json_next_entry(r, first, '}') > 0; first = false) {
                _cleanup_free_ char *name = NULL;
                int k = json_take_name(r, &name);

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
                if (!json_is_null(r->p))
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
                if (row->required || row->kind->is_set(row, json_const_field(at, row)))
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

const JsonKind json_maybe_object_kind = { read_maybe_object, json_pointer_is_set,
                                          write_maybe_object, maybe_object_done };

static int read_one_of_objects(JsonReader *r, const JsonRow *row, void *at) {
        void *slot = NULL;
        int k = json_list_grow(r, at, row->shape->size, &slot);

        return k < 0 ? k : read_shape(r, row->shape, slot);
}

static int read_objects(JsonReader *r, const JsonRow *row, void *at) {
        return json_read_array(r, row, at, read_one_of_objects);
}

static int write_objects(const JsonRow *row, const void *at, Buf *out) {
        const JsonAnyList *l = at;
        int k = buf_puts(out, "[");

        for (size_t i = 0; i < l->n && k >= 0; i++) {
                k = i > 0 ? buf_puts(out, ",") : 0;
                if (k >= 0)
                        k = json_shape_write(row->shape, l->v + i * row->shape->size, out);
        }
        return k < 0 ? k : buf_puts(out, "]");
}

static void objects_done(const JsonRow *row, void *at) {
        JsonAnyList *l = at;

        for (size_t i = 0; i < l->n; i++)
                json_shape_done(row->shape, l->v + i * row->shape->size);
        free(l->v);
}

const JsonKind json_objects_kind = { read_objects, json_list_is_set, write_objects, objects_done };

/* Objects whose names are data */

/* A new entry, which @name then belongs to; it is freed on failure. */
static int map_entry(JsonReader *r, JsonAnyList *l, size_t size, char *name, void **ret) {
        if (l->n >= JSON_MAP_MAX) {
                free(name);
                return json_fail(r, E2BIG, "too many entries");
        }
        for (size_t i = 0; i < l->n; i++) {
                char **entry = (char **) (void *) (l->v + i * size);
                if (streq(*entry, name)) {
                        free(name);
                        return fail_at(r, *entry, "given twice");
                }
        }
        int k = json_list_grow(r, l, size, ret);
        if (k < 0)
                free(name);
        else
                *(char **) *ret = name;
        return k;
}

static int read_map_with(JsonReader *r, const JsonRow *row, JsonAnyList *l, size_t size,
                         int (*read)(JsonReader *r, const JsonRow *row, void *entry)) {
        if (*r->p != '{')
                return json_fail(r, EINVAL, "not an object");
        for (bool first = true; json_next_entry(r, first, '}') > 0; first = false) {
                char *name = NULL;
                void *entry = NULL;
                int k = json_take_name(r, &name);

                if (k >= 0)
                        k = map_entry(r, l, size, name, &entry);
                if (k < 0)
                        return k;
                JsonFrame frame = { .up = r->frame, .name = name };
                r->frame = &frame;
                k = read(r, row, entry);
                r->frame = frame.up;
                if (k < 0)
                        return k;
        }
        return 0;
}

static int read_pair(JsonReader *r, const JsonRow *row, void *entry) {
        return json_take_string(r, &((JsonPair *) entry)->value);
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

const JsonKind json_pairs_kind = { read_pairs, json_list_is_set, write_pairs, pairs_done };

static int read_mapped(JsonReader *r, const JsonRow *row, void *entry) {
        return read_shape(r, row->shape, entry);
}

static int read_map(JsonReader *r, const JsonRow *row, void *at) {
        return read_map_with(r, row, at, row->shape->size, read_mapped);
}

static int write_map(const JsonRow *row, const void *at, Buf *out) {
        const JsonAnyList *l = at;
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
        JsonAnyList *l = at;

        for (size_t i = 0; i < l->n; i++)
                free(*(char **) (void *) (l->v + i * row->shape->size));
        objects_done(row, at);
}

const JsonKind json_map_kind = { read_map, json_list_is_set, write_map, map_done };

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
                const void *value = json_const_field(at, row);

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
                        shape->rows[i].kind->done(shape->rows + i, json_field(at, shape->rows + i));
        memset(at, 0, shape->size);
}

const char *json_pairs_get(const JsonPairs *pairs, const char *name) {
        for (size_t i = 0; i < pairs->n; i++)
                if (streq(pairs->v[i].name, name))
                        return pairs->v[i].value;
        return NULL;
}
