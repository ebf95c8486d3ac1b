/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which IDs of the host stand for which of a machine: a short list of ranges, as a plain value. It is what
 * /proc/PID/uid_map says, and groups have the same. */
#pragma once

#include "base/proc.h"
#include "base/text.h"

#define ID_RANGES_MAX 32U

/* No two ranges share an ID, neither inside nor outside. */
typedef struct IdRanges {
        size_t n;
        IdRange v[ID_RANGES_MAX];
} IdRanges;

/** id_ranges_one() - a single range */
IdRanges id_ranges_one(uint32_t inside, uint32_t outside, uint32_t length);

/** id_ranges_add() - add a range
 * Return: 0; -ERANGE it is empty or leaves 32 bits; -EINVAL it shares IDs with one that is there; -E2BIG
 * too many. */
int id_ranges_add(IdRanges *r, uint32_t inside, uint32_t outside, uint32_t length, Error *e);

/** id_ranges_parse() - read "INSIDE:OUTSIDE:COUNT[,…]"; there must be a root
 * Return: 0; -EINVAL, or as id_ranges_add(). */
int id_ranges_parse(const char *text, IdRanges *ret, Error *e);
/** id_ranges_format() - the lines of a uid_map file. Return: 0 or -ENOMEM. */
int id_ranges_format(const IdRanges *r, Buf *out);

/** id_ranges_to_outside() - Return: 0; -ENXIO = not mapped. */
int id_ranges_to_outside(const IdRanges *r, uint32_t inside, uint32_t *ret);
/** id_ranges_has_outside() - whether an ID of the host is one of the machine's */
bool id_ranges_has_outside(const IdRanges *r, uint32_t outside);
/** id_ranges_overlap() - whether any of the host's IDs is in both */
bool id_ranges_overlap(const IdRanges *a, const IdRanges *b);

/** id_ranges_above() - what shows the 65536 IDs from @from on, as they are on a disk, as those of a machine
 * That is the ID map of a mount: ID 0 of the machine is @from on the disk, and so on. */
IdRanges id_ranges_above(const IdRanges *machine, uint32_t from);
