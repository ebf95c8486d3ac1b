/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structures out of JSON objects and back, by tables: one row per member says its name, what kind of value it
 * is and where it goes. Members that no row knows are passed over; null is the same as absent; a member given
 * twice is an error, as is a value that is not of its kind, with its path ("linux.mounts[2].type: …"). */
#pragma once

#include "base/text.h"

typedef struct JsonRow JsonRow;
typedef struct JsonShape JsonShape;
typedef struct JsonReader JsonReader;

/* What a value is; all are in the list of kinds below. */
typedef struct JsonKind {
        int (*read)(JsonReader *r, const JsonRow *row, void *at);
        bool (*is_set)(const JsonRow *row,
                       const void *at); /* whether there is something to write */
        int (*write)(const JsonRow *row, const void *at, Buf *out);
        void (*done)(const JsonRow *row, void *at);
} JsonKind;

struct JsonRow {
        const char *name;
        const JsonKind *kind;
        size_t at;                /* offset of the field */
        const JsonShape *shape;   /* of an object, of those in a list, of the values of a map */
        const char *const *names; /* of a choice, NULL-terminated; the first is "", for unset */
        int64_t min;              /* of a number; with max == 0 anything that its kind can hold */
        uint64_t max;
        const char *(*check)(
                const char *text); /* of a string: what is wrong with it; NULL = nothing */
        bool required;
};

/* An object. A structure that is all zero holds nothing. */
struct JsonShape {
        const JsonRow *rows;
        size_t n;
        size_t size;                          /* of the structure */
        const char *(*check)(const void *at); /* of the whole: what is wrong with it; may be NULL */
};

/* Values that may be absent. */
typedef struct JsonBool {
        bool set, value;
} JsonBool;
typedef struct JsonInteger {
        bool set;
        int64_t value;
} JsonInteger;
typedef struct JsonUnsigned {
        bool set;
        uint64_t value;
} JsonUnsigned;

/* Lists: what is in them differs, where it is does not. */
#define JSON_LIST(type)                                                                            \
        struct {                                                                                   \
                type *v;                                                                           \
                size_t n;                                                                          \
        }
typedef JSON_LIST(uint64_t) JsonNumbers;

typedef struct JsonPair {
        char *name;
        char *value;
} JsonPair;
typedef JSON_LIST(JsonPair) JsonPairs;

extern const JsonKind json_string_kind;   /* char *; null, absent: NULL */
extern const JsonKind json_strings_kind;  /* char ** */
extern const JsonKind json_bool_kind;     /* bool */
extern const JsonKind json_maybe_kind;    /* JsonBool */
extern const JsonKind json_integer_kind;  /* JsonInteger */
extern const JsonKind json_unsigned_kind; /* JsonUnsigned */
extern const JsonKind json_numbers_kind;  /* JsonNumbers */
extern const JsonKind json_choice_kind;   /* int: index in names */
extern const JsonKind json_choices_kind;  /* uint64_t: 1 << index in names of each in the array */
extern const JsonKind json_object_kind;   /* the structure itself */
extern const JsonKind json_maybe_object_kind; /* a pointer to one; NULL = absent */
extern const JsonKind json_objects_kind;      /* JSON_LIST() of structures */
extern const JsonKind json_pairs_kind;        /* JsonPairs: an object with any names and strings */
extern const JsonKind
        json_map_kind; /* JSON_LIST() of structures that begin with char *name: an object of objects */

#define JSON_LIST_MAX 65536U /* entries of one list */
#define JSON_MAP_MAX                                                                               \
        4096U /* entries of one map; so many that going through them in pairs takes no time */

/** json_shape_parse() - read an object
 * @at:  a structure that is all zero; json_shape_done() frees it, also after a failure
 * Return: 0; -EINVAL with the path and cause in @e; -ENOMEM. */
int json_shape_parse(const JsonShape *shape, const char *text, void *at, Error *e);
/** json_shape_write() - write an object that json_shape_parse() reads as the same. Return: 0 or -ENOMEM. */
int json_shape_write(const JsonShape *shape, const void *at, Buf *out);
/** json_shape_done() - free what a structure holds; it is all zero again */
void json_shape_done(const JsonShape *shape, void *at);

/** json_pairs_get() - value of a name; NULL = there is none */
const char *json_pairs_get(const JsonPairs *pairs, const char *name);
