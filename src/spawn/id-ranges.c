/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of ID ranges as values: reading, checking, asking. Who writes them where is userns.c's. */
#include "spawn/id-ranges.h"

#include <inttypes.h>

#include "base/parse.h"

/* How many IDs a disk has for one machine. */
#define DISK_RANGE 0x10000U

static bool meet(uint32_t a, uint32_t n, uint32_t b, uint32_t m) {
        return (uint64_t) a < (uint64_t) b + m && (uint64_t) b < (uint64_t) a + n;
}

IdRanges id_ranges_one(uint32_t inside, uint32_t outside, uint32_t length) {
        return (IdRanges){ .n = 1, .v = { { inside, outside, length } } };
}

int id_ranges_add(IdRanges *r, uint32_t inside, uint32_t outside, uint32_t length, Error *e) {
        /* The last ID, (uint32_t) -1, means "none" to the kernel. */
        if (length == 0 || (uint64_t) inside + length > UINT32_MAX ||
            (uint64_t) outside + length > UINT32_MAX)
                return error_set(e, ERANGE,
                                 "%" PRIu32 ":%" PRIu32 ":%" PRIu32 " is no range of IDs", inside,
                                 outside, length);
        for (size_t i = 0; i < r->n; i++)
                if (meet(inside, length, r->v[i].inside, r->v[i].length) ||
                    meet(outside, length, r->v[i].outside, r->v[i].length))
                        return error_set(e, EINVAL,
                                         "the ranges %" PRIu32 ":%" PRIu32 ":%" PRIu32
                                         " and %" PRIu32 ":%" PRIu32 ":%" PRIu32 " overlap",
                                         r->v[i].inside, r->v[i].outside, r->v[i].length, inside,
                                         outside, length);
        if (r->n >= ID_RANGES_MAX)
                return error_set(e, E2BIG, "more than %u ranges of IDs", ID_RANGES_MAX);
        r->v[r->n++] = (IdRange){ inside, outside, length };
        return 0;
}

static int add_text(IdRanges *r, const char *text, Error *e) {
        _cleanup_strv_ char **parts = NULL;
        uint32_t number[3];

        if (str_split_colon(text, &parts) < 0)
                return error_oom(e);
        for (size_t i = 0; i < 3; i++)
                if (strv_length(parts) != 3 || parse_u32(parts[i], number + i) < 0)
                        return error_set(e, EINVAL, "'%.60s' is not INSIDE:OUTSIDE:COUNT", text);
        return id_ranges_add(r, number[0], number[1], number[2], e);
}

int id_ranges_parse(const char *text, IdRanges *ret, Error *e) {
        _cleanup_strv_ char **words = NULL;
        IdRanges r = {};
        uint32_t root;

        if (str_split(text, ",", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                int q = add_text(&r, *word, e);
                if (q < 0)
                        return q;
        }
        if (id_ranges_to_outside(&r, 0, &root) < 0)
                return error_set(e, EINVAL, "'%.60s' gives the machine no root, ID 0", text);
        *ret = r;
        return 0;
}

int id_ranges_format(const IdRanges *r, Buf *out) {
        for (size_t i = 0; i < r->n; i++) {
                int q = buf_printf(out, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", r->v[i].inside,
                                   r->v[i].outside, r->v[i].length);
                if (q < 0)
                        return q;
        }
        return 0;
}

int id_ranges_to_outside(const IdRanges *r, uint32_t inside, uint32_t *ret) {
        for (size_t i = 0; i < r->n; i++)
                if (meet(inside, 1, r->v[i].inside, r->v[i].length)) {
                        *ret = r->v[i].outside + (inside - r->v[i].inside);
                        return 0;
                }
        return -ENXIO;
}

bool id_ranges_has_outside(const IdRanges *r, uint32_t outside) {
        for (size_t i = 0; i < r->n; i++)
                if (meet(outside, 1, r->v[i].outside, r->v[i].length))
                        return true;
        return false;
}

bool id_ranges_overlap(const IdRanges *a, const IdRanges *b) {
        for (size_t i = 0; i < a->n; i++)
                for (size_t j = 0; j < b->n; j++)
                        if (meet(a->v[i].outside, a->v[i].length, b->v[j].outside, b->v[j].length))
                                return true;
        return false;
}

IdRanges id_ranges_above(const IdRanges *machine, uint32_t from) {
        IdRanges r = {};

        /* From 0 on the disk's IDs are the machine's, however many there are. */
        if (from == 0)
                return *machine;
        for (size_t i = 0; i < machine->n; i++) {
                const IdRange *m = machine->v + i;

                if (m->inside < DISK_RANGE)
                        r.v[r.n++] = (IdRange){ from + m->inside, m->outside,
                                                MIN(m->length, DISK_RANGE - m->inside) };
        }
        return r;
}
