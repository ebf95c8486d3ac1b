/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cursor that goes over a checked JSON text, for the kinds of values of json-shape.h alone. */
#pragma once

#include "base/json-shape.h"

/* Where the reader is, for messages. */
typedef struct JsonFrame JsonFrame;
struct JsonFrame {
        const JsonFrame *up;
        const char *name; /* NULL = an entry of a list */
        size_t index;
};

struct JsonReader {
        const char *p;
        const JsonFrame *frame;
        Error *e;
};

/* A JSON_LIST(), whatever is in it. */
typedef struct JsonAnyList {
        char *v;
        size_t n;
} JsonAnyList;

/** json_field() - the field of a structure that a row is for */
static inline void *json_field(void *structure, const JsonRow *row) {
        return (char *) structure + row->at;
}
static inline const void *json_const_field(const void *structure, const JsonRow *row) {
        return (const char *) structure + row->at;
}
/** json_is_null() - whether a value is null */
static inline bool json_is_null(const char *p) {
        return str_skip_prefix(p, "null");
}

/** json_fail() - Return: -@err, with the path of where the reader is before the cause. */
int json_fail(JsonReader *r, int err, const char *cause);
/** json_fail_number() - the same for what json_unsigned() and its like return. */
int json_fail_number(JsonReader *r, int err);

/** json_list_grow() - room for one more, all zero. Return: 0; -E2BIG; -ENOMEM. */
int json_list_grow(JsonReader *r, JsonAnyList *l, size_t size, void **ret);
/** json_next_entry() - go through the entries of an array or object
 * @close:  what ends it
 * Return: 1 the cursor is at one; 0 it is behind the last. */
int json_next_entry(JsonReader *r, bool first, char close);
/** json_read_array() - read each entry of an array with @read. Return: 0; what @read failed with; -EINVAL. */
int json_read_array(JsonReader *r, const JsonRow *row, void *at,
                    int (*read)(JsonReader *r, const JsonRow *row, void *at));
/** json_take_string() - a string, which must be UTF-8. Return: 0; -EINVAL; -ENOMEM. */
int json_take_string(JsonReader *r, char **ret);
/** json_take_name() - the name of a member; the cursor is at its value then. Return: as json_take_string(). */
int json_take_name(JsonReader *r, char **ret);

/** json_pointer_is_set(), json_list_is_set() - of kinds that are a pointer or a list */
bool json_pointer_is_set(const JsonRow *row, const void *at);
bool json_list_is_set(const JsonRow *row, const void *at);
