/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of values in JSON objects, see json-shape.h: strings, numbers, words of a list, and arrays of them. What
 * is made of objects is json-shape.c's. */
#include "base/json-reader.h"

#include <inttypes.h>

#include "base/json.h"

/* Strings */

static int take_checked(JsonReader *r, const JsonRow *row, char **ret) {
        _cleanup_free_ char *s = NULL;
        const char *wrong;
        int k = json_take_string(r, &s);

        if (k < 0)
                return k;
        wrong = row->check ? row->check(s) : NULL;
        if (wrong)
                return json_fail(r, EINVAL, wrong);
        *ret = TAKE_PTR(s);
        return 0;
}

static int read_string(JsonReader *r, const JsonRow *row, void *at) {
        return take_checked(r, row, at);
}

static int write_string(const JsonRow *row, const void *at, Buf *out) {
        return json_puts(out, *(char *const *) at);
}

static void string_done(const JsonRow *row, void *at) {
        free(*(char **) at);
}

const JsonKind json_string_kind = { read_string, json_pointer_is_set, write_string, string_done };

static int read_one_of_strings(JsonReader *r, const JsonRow *row, void *at) {
        void *slot = NULL;
        int k = json_list_grow(r, at, sizeof(char *), &slot);

        return k < 0 ? k : take_checked(r, row, slot);
}

static int read_strings(JsonReader *r, const JsonRow *row, void *at) {
        JsonAnyList l = {};
        void *end;
        int k = json_read_array(r, row, &l, read_one_of_strings);

        if (k >= 0 && l.n > 0)
                k = json_list_grow(r, &l, sizeof(char *), &end);
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

const JsonKind json_strings_kind = { read_strings, json_pointer_is_set, write_strings,
                                     strings_done };

/* Booleans */

static int read_bool(JsonReader *r, const JsonRow *row, void *at) {
        bool v = str_skip_prefix(r->p, "true");

        if (!v && !str_skip_prefix(r->p, "false"))
                return json_fail(r, EINVAL, "neither true nor false");
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
                return json_fail_number(r, k);
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
                return json_fail_number(r, k);
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

static void list_done(const JsonRow *row, void *at) {
        free(((JsonAnyList *) at)->v);
}

static int read_one_of_numbers(JsonReader *r, const JsonRow *row, void *at) {
        void *slot = NULL;
        int k = json_list_grow(r, at, sizeof(uint64_t), &slot);

        return k < 0 ? k : take_unsigned(r, row, slot);
}

static int read_numbers(JsonReader *r, const JsonRow *row, void *at) {
        return json_read_array(r, row, at, read_one_of_numbers);
}

static int write_numbers(const JsonRow *row, const void *at, Buf *out) {
        const JsonNumbers *l = at;
        int k = buf_puts(out, "[");

        for (size_t i = 0; i < l->n && k >= 0; i++)
                k = buf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", l->v[i]);
        return k < 0 ? k : buf_puts(out, "]");
}

const JsonKind json_numbers_kind = { read_numbers, json_list_is_set, write_numbers, list_done };

/* One of some names */

static int take_choice(JsonReader *r, const JsonRow *row, int *ret) {
        _cleanup_free_ char *s = NULL;
        int k = json_take_string(r, &s);

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
        return cause ? json_fail(r, EINVAL, cause) : error_oom(r->e);
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
        return json_read_array(r, row, at, read_one_of_choices);
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
