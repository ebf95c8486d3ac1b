/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs zstd, in frames that know their length and can be unpacked at the same time. */
#include <zstd.h>

#include "importer/compress-codec.h"

typedef struct State {
        ZSTD_CCtx *context;
} State;

/* Some windows long, as what is packed cannot refer to the piece before. */
static size_t piece_size(int level) {
        return (size_t) (level < 16 ? 4 : 8) * 1024 * 1024;
}

static void state_close(void *state) {
        (void) ZSTD_freeCCtx(((State *) state)->context);
}

static int pack(void *state, Piece *p) {
        State *s = state;

        if (!s->context)
                s->context = ZSTD_createCCtx();
        if (!s->context || buf_reserve(&p->out, ZSTD_compressBound(p->n)) < 0)
                return -ENOMEM;
        (void) ZSTD_CCtx_setParameter(s->context, ZSTD_c_compressionLevel, p->level);
        (void) ZSTD_CCtx_setParameter(s->context, ZSTD_c_checksumFlag, 1);
        size_t n = ZSTD_compress2(s->context, p->out.p, p->out.size,
                                  p->data ? p->data : (uint8_t *) "", p->n);
        if (ZSTD_isError(n))
                return -ENOMEM;
        p->out.n = n;
        return 0;
}

const Packer packer_zstd = {
        .level_min = 1,
        .level_max = 19,
        .level_default = 3,
        .size = piece_size,
        .state_size = sizeof(State),
        .close = state_close,
        .pack = pack,
};
