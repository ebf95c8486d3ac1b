/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deflate by zlib, see deflate.h, for where ISA-L is not to be had (see deflate-isal.c); meson chooses. */
#include <limits.h>
#include <zlib.h>

#include "importer/deflate.h"

struct Inflater {
        z_stream z;
};

int inflater_new(Inflater **ret) {
        Inflater *i = calloc(1, sizeof *i);

        if (!i || inflateInit2(&i->z, -MAX_WBITS) != Z_OK) {
                free(i);
                return -ENOMEM;
        }
        *ret = i;
        return 0;
}

Inflater *inflater_free(Inflater *i) {
        if (i)
                (void) inflateEnd(&i->z);
        free(i);
        return NULL;
}

int inflater_fill(Inflater *i, const void *in, size_t n_in, void *out, size_t n_out) {
        if (n_in > UINT_MAX || n_out > UINT_MAX || inflateReset(&i->z) != Z_OK)
                return -EBADMSG;
        i->z.next_in = (Bytef *) in;
        i->z.avail_in = (uInt) n_in;
        i->z.next_out = out;
        i->z.avail_out = (uInt) n_out;
        int r = inflate(&i->z, Z_FINISH);
        return (r == Z_STREAM_END || r == Z_BUF_ERROR || r == Z_OK) && i->z.avail_out == 0
                       ? 0
                       : -EBADMSG;
}

int fast_deflater_pack(FastDeflater **state, const void *in, size_t n, int level, bool last,
                       Buf *out) {
        return -EOPNOTSUPP;
}

FastDeflater *fast_deflater_free(FastDeflater *d) {
        return NULL;
}

uint32_t deflate_checksum(const void *in, size_t n) {
        return (uint32_t) crc32_z(0, in, n);
}
