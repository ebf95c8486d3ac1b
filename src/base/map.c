/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hash map, see map.h: open addressing, linear probing, at most half full, entries moved back on removal
 * so that there are no tombstones. Strings are hashed under a key of the process, since strangers choose
 * them. */
#include "base/map.h"

#include <sys/random.h>

#include "base/siphash.h"

#define MAP_SIZE_MIN 16

void map_done(Map *m) {
        free(m->entries);
        *m = (Map){};
}

static uint64_t hash_string(const char *s) {
        static uint8_t key[16];
        static bool has_key;

        if (!has_key) {
                /* A key that is guessed costs time, not correctness. */
                (void) !getrandom(key, sizeof key, 0);
                has_key = true;
        }
        return siphash24(s, strlen(s), key);
}

/* Invertible, so that equal hashes mean equal numbers. */
static uint64_t hash_number(uint64_t x) {
        x ^= x >> 31;
        x *= 0x7fb5d329728ea185u;
        x ^= x >> 27;
        x *= 0x81dadef4bc2dd44du;
        x ^= x >> 33;
        return x;
}

static bool entry_matches(const MapEntry *t, uint64_t hash, const char *key) {
        return t->hash == hash && (!key || streq(t->key, key));
}

/* The entry of that key, or the free slot where it belongs. The map must have slots. */
static size_t find_slot(const Map *m, uint64_t hash, const char *key) {
        size_t i = hash & (m->size - 1);

        while (m->entries[i].value && !entry_matches(m->entries + i, hash, key))
                i = (i + 1) & (m->size - 1);
        return i;
}

static int grow(Map *m) {
        Map bigger = { .n = m->n, .size = m->size ? m->size * 2 : MAP_SIZE_MIN };

        bigger.entries = calloc(bigger.size, sizeof *bigger.entries);
        if (!bigger.entries)
                return -ENOMEM;
        for (size_t i = 0; i < m->size; i++)
                if (m->entries[i].value)
                        bigger.entries[find_slot(&bigger, m->entries[i].hash,
                                                 m->entries[i].key)] = m->entries[i];
        free(m->entries);
        *m = bigger;
        return 0;
}

static int put(Map *m, uint64_t hash, const char *key, void *value) {
        assert_se(value);
        if ((m->n + 1) * 2 > m->size) {
                int r = grow(m);
                if (r < 0)
                        return r;
        }

        MapEntry *t = m->entries + find_slot(m, hash, key);
        if (!t->value)
                m->n++;
        *t = (MapEntry){ hash, key, value };
        return 0;
}

static void *get(const Map *m, uint64_t hash, const char *key) {
        return m->size == 0 ? NULL : m->entries[find_slot(m, hash, key)].value;
}

static void *take(Map *m, uint64_t hash, const char *key) {
        if (m->size == 0)
                return NULL;

        size_t hole = find_slot(m, hash, key), mask = m->size - 1;
        void *value = m->entries[hole].value;
        if (!value)
                return NULL;

        /* Whatever stands behind and would no longer be found across the hole moves into it. */
        for (size_t i = (hole + 1) & mask; m->entries[i].value; i = (i + 1) & mask) {
                size_t home = m->entries[i].hash & mask;
                if (((i - home) & mask) >= ((i - hole) & mask)) {
                        m->entries[hole] = m->entries[i];
                        hole = i;
                }
        }
        m->entries[hole] = (MapEntry){};
        m->n--;
        return value;
}

int map_put(Map *m, const char *key, void *value) {
        return put(m, hash_string(key), key, value);
}

void *map_get(const Map *m, const char *key) {
        return get(m, hash_string(key), key);
}

void *map_remove(Map *m, const char *key) {
        return take(m, hash_string(key), key);
}

int map_put_number(Map *m, uint64_t key, void *value) {
        return put(m, hash_number(key), NULL, value);
}

void *map_get_number(const Map *m, uint64_t key) {
        return get(m, hash_number(key), NULL);
}

void *map_remove_number(Map *m, uint64_t key) {
        return take(m, hash_number(key), NULL);
}
