/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings of bits, most significant first, as bzip2 has them: its blocks begin at any bit. */
#pragma once

#include "base/text.h"

#define BZIP2_MARK_BITS  48
#define BZIP2_MARK_BLOCK 0x314159265359ull
#define BZIP2_MARK_END   0x177245385090ull

typedef struct Bits {
        Buf bytes;
        uint64_t n; /* bits */
} Bits;

/** bits_at() - the number in @n bits (64 at most) from bit @at on */
uint64_t bits_at(const uint8_t *p, uint64_t at, unsigned n);
/** bits_append() - add @n bits from bit @at on. Return: 0 or -ENOMEM. */
int bits_append(Bits *to, const uint8_t *p, uint64_t at, uint64_t n);
