/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deflate without a wrapper, all of it at once: by ISA-L or by zlib; meson chooses. Packing is only what ISA-L does
 * faster than zlib. */
#pragma once

#include "base/text.h"

typedef struct Inflater Inflater;

/** inflater_new() - Return: 0 or -ENOMEM. */
int inflater_new(Inflater **ret);
/** inflater_free() - takes NULL. Return: NULL. */
Inflater *inflater_free(Inflater *i);
DEFINE_CLEANUP(Inflater *, inflater_free)

/** inflater_fill() - unpack until @out is full; what comes behind that is not looked at
 * Return: 0; -EBADMSG = it ends before, or is no deflate. */
int inflater_fill(Inflater *i, const void *in, size_t n_in, void *out, size_t n_out);

typedef struct FastDeflater FastDeflater;

/** fast_deflater_pack() - add a piece of a stream, that ends at a byte and looks back at none before it
 * @state: NULL at first, then for the next piece; fast_deflater_free() frees it
 * @last:  of the stream
 * Return: 0; -EOPNOTSUPP = zlib has to do it; -ENOMEM. */
int fast_deflater_pack(FastDeflater **state, const void *in, size_t n, int level, bool last,
                       Buf *out);
/** fast_deflater_free() - takes NULL. Return: NULL. */
FastDeflater *fast_deflater_free(FastDeflater *d);
/** deflate_checksum() - the checksum of gzip */
uint32_t deflate_checksum(const void *in, size_t n);
