/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hash map from a string or a number to a pointer. All zero is empty. Keys that are strings are
 * borrowed: they have to live as long as their entry. One map has keys of one kind only. */
#pragma once

#include "base/macro.h"

typedef struct MapEntry {
        uint64_t hash;   /* of the string, or the number itself, mixed */
        const char *key; /* NULL = the key is a number */
        void *value;     /* NULL = free slot */
} MapEntry;

typedef struct Map {
        MapEntry *entries; /* a power of two of them */
        size_t n;
        size_t size;
} Map;

/** map_done() - free the map, not what it points to */
void map_done(Map *m);
/** map_put() - @key → @value, replacing an older value (and the key's pointer)
 * @value: not NULL
 * Return: 0 or -ENOMEM, nothing changed. */
int map_put(Map *m, const char *key, void *value);
/** map_get() - Return: the value; NULL = none. */
void *map_get(const Map *m, const char *key);
/** map_remove() - Return: the value that was there; NULL = none. */
void *map_remove(Map *m, const char *key);
/** map_put_number() - as map_put() */
int map_put_number(Map *m, uint64_t key, void *value);
/** map_get_number() - as map_get() */
void *map_get_number(const Map *m, uint64_t key);
/** map_remove_number() - as map_remove() */
void *map_remove_number(Map *m, uint64_t key);
