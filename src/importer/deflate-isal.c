/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deflate by ISA-L, see deflate.h. deflate-zlib.c stands in where there is none. */
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "importer/deflate.h"

struct Inflater {
        struct inflate_state state;
};

int inflater_new(Inflater **ret) {
        Inflater *i = calloc(1, sizeof *i);

        if (!i)
                return -ENOMEM;
        *ret = i;
        return 0;
}

Inflater *inflater_free(Inflater *i) {
        free(i);
        return NULL;
}

int inflater_fill(Inflater *i, const void *in, size_t n_in, void *out, size_t n_out) {
        struct inflate_state *s = &i->state;

        if (n_in > UINT32_MAX || n_out > UINT32_MAX)
                return -EBADMSG;
        isal_inflate_init(s);
        s->crc_flag = ISAL_DEFLATE;
        s->next_in = (uint8_t *) in;
        s->avail_in = (uint32_t) n_in;
        s->next_out = out;
        s->avail_out = (uint32_t) n_out;
        int r = isal_inflate_stateless(s);
        return (r == ISAL_DECOMP_OK || r == ISAL_OUT_OVERFLOW) && s->avail_out == 0 ? 0 : -EBADMSG;
}

/* Of the levels that the library has; above that zlib is better. */
#define LEVEL_MAX 3
/* What may come on top of the bytes: blocks that are not packed say so, and one of them is empty. */
#define EXTRA(n) ((n) / 1024 + 256)

struct FastDeflater {
        struct isal_zstream z;
        uint8_t *level; /* what it needs for that */
};

static const uint32_t level_sizes[] = { ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
                                        ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT };

static int fast_deflater_new(int level, FastDeflater **ret) {
        FastDeflater *d = calloc(1, sizeof *d);

        if (!d || !(d->level = malloc(level_sizes[level]))) {
                free(d);
                return -ENOMEM;
        }
        *ret = d;
        return 0;
}

FastDeflater *fast_deflater_free(FastDeflater *d) {
        if (d)
                free(d->level);
        free(d);
        return NULL;
}

int fast_deflater_pack(FastDeflater **state, const void *in, size_t n, int level, bool last,
                       Buf *out) {
        if (level < 1 || level > LEVEL_MAX || n > UINT32_MAX / 2)
                return -EOPNOTSUPP;
        if ((!*state && fast_deflater_new(level, state) < 0) || buf_reserve(out, n + EXTRA(n)) < 0)
                return -ENOMEM;

        struct isal_zstream *z = &(*state)->z;
        isal_deflate_init(z);
        z->level = (uint32_t) level;
        z->level_buf = (*state)->level;
        z->level_buf_size = level_sizes[level];
        z->flush = last ? NO_FLUSH : FULL_FLUSH;
        z->end_of_stream = last;
        z->next_in = (uint8_t *) in;
        z->avail_in = (uint32_t) n;
        /* Should it need more room than we thought of, it is given more. */
        for (;;) {
                size_t room = MIN(out->size - out->n, (size_t) UINT32_MAX);

                z->next_out = (uint8_t *) out->p + out->n;
                z->avail_out = (uint32_t) room;
                if (isal_deflate(z) != COMP_OK)
                        return -ENOMEM;
                out->n += room - z->avail_out;
                if (z->avail_out > 0)
                        return z->avail_in == 0 ? 0 : -ENOMEM;
                if (buf_reserve(out, EXTRA(n)) < 0)
                        return -ENOMEM;
        }
}

uint32_t deflate_checksum(const void *in, size_t n) {
        return crc32_gzip_refl(0, in, n);
}
