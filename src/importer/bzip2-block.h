/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One block of bzip2, from its bits to its bytes. Streams, and where a block begins and ends, are
 * filter-bzip2.c's. Blocks with the bit of the first versions of bzip2 that says that they were made
 * random are left to libbz2. */
#pragma once

#include "base/macro.h"

/* As much as five bytes of a block can become. */
#define BZIP2_RUN_MAX ((size_t) 4 + 255)

typedef struct Bzip2Block Bzip2Block;

/** bzip2_block_new() - room for blocks of any size, one after another. Return: 0 or -ENOMEM. */
int bzip2_block_new(Bzip2Block **ret);
/** bzip2_block_free() - takes NULL. Return: NULL. */
Bzip2Block *bzip2_block_free(Bzip2Block *b);
DEFINE_CLEANUP(Bzip2Block *, bzip2_block_free)

/** bzip2_block_decode() - take in a block
 * @data, @size:  where it is; nothing behind that is looked at
 * @at, @n_bits:  the bits of it, from the block's mark on; all of them have to be used
 * @level:        of the stream: 1 to 9
 * Return: 0; -EBADMSG = this is none; -EOPNOTSUPP = it was made random. */
int bzip2_block_decode(Bzip2Block *b, const uint8_t *data, size_t size, uint64_t at,
                       uint64_t n_bits, unsigned level);
/** bzip2_block_read() - the next bytes of it, until there are none
 * @size:  more than BZIP2_RUN_MAX
 * Return: 1; 0 = that was all, and the checksum is right; -EBADMSG = it is not. */
int bzip2_block_read(Bzip2Block *b, uint8_t *out, size_t size, size_t *ret_n);
