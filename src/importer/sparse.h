/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files with holes: what is all zeroes is not written, what is a hole is not read. */
#pragma once

#include <stdatomic.h>

#include "base/error.h"

/* The smallest hole that is left. */
#define SPARSE_BLOCK ((size_t) 4096)

/** sparse_is_zero() - whether it is nothing but zeroes */
bool sparse_is_zero(const void *data, size_t n);
/** sparse_write() - write what is not zero to a file that has nothing there yet
 * Blocks are those of the file: an @offset between two costs holes, no more.
 * @ret_n: gets the bytes written added; may be NULL. Return: 0 or -errno. */
int sparse_write(int fd, const void *data, size_t n, uint64_t offset, _Atomic uint64_t *ret_n);
/** sparse_copy() - copy a file into an empty one, without its holes, in the kernel where it can
 * @size: of both; what the copy has behind that stays a hole
 * @done: gets the bytes that were gone over added; may be NULL
 * Return: 0 or -errno. */
int sparse_copy(int from, int to, uint64_t size, _Atomic uint64_t *done);

/** sparse_next() - where in a file there is data next
 * A file that cannot tell has data everywhere.
 * @at, @size:  look from there, up to the end
 * @ret_data, @ret_end: where it begins and ends; both @size = there is no more
 * Return: 0 or -errno. */
int sparse_next(int fd, uint64_t at, uint64_t size, uint64_t *ret_data, uint64_t *ret_end);
