/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stage that packs, see compress.h: gathers pieces and gives them to the threads. Knows no packing: those are the
 * compress-*.c files. */
#include "importer/compress.h"

#include "importer/compress-codec.h"
#include "importer/parallel.h"

typedef struct Compress {
        Stage stage;
        const Packer *packer;
        int level;
        Parallel *parallel;
        uint8_t *piece;
        size_t n, size;
        max_align_t stream[]; /* the packer's, in the order of the pieces */
} Compress;

static const Packer *const packers[_FORMAT_MAX] = {
        [FORMAT_GZIP] = &packer_gzip, [FORMAT_BZIP2] = &packer_bzip2, [FORMAT_XZ] = &packer_xz,
        [FORMAT_ZSTD] = &packer_zstd, [FORMAT_LZ4] = &packer_lz4,
};

int compress_check(Format f, int level, Error *e) {
        const Packer *p = packers[f];

        if (level == COMPRESS_LEVEL_DEFAULT ||
            (p && level >= p->level_min && level <= p->level_max))
                return 0;
        return p ? error_set(e, EINVAL, "%s has levels from %d to %d", format_name(f), p->level_min,
                             p->level_max)
                 : error_set(e, EINVAL, "what is not packed has no level");
}

static int pack(Parallel *p, void *state, void *shared, Chunk *c, Error *e) {
        Compress *s = shared;
        Piece piece = { .data = c->data, .n = c->n, .level = s->level, .last = c->kind };
        int r = s->packer->pack(state, &piece);

        if (r >= 0 && s->packer->join) {
                r = parallel_wait_turn(p, c, e);
                if (r >= 0)
                        r = s->packer->join(s->stream, &piece);
        }
        if (r >= 0)
                r = parallel_emit(p, c, piece.out.p, piece.out.n, e);
        else if (r == -ENOMEM)
                (void) error_oom(e);
        buf_done(&piece.out);
        return r;
}

static int submit(Compress *s, bool last, Error *e) {
        Chunk c = { .kind = last, .data = s->piece, .n = s->n };

        s->piece = NULL;
        s->n = 0;
        return parallel_submit(s->parallel, &c, e);
}

static int compress_push(Stage *stage, const void *data, size_t n, Error *e) {
        Compress *s = (Compress *) stage;
        const uint8_t *p = data;

        while (n > 0) {
                if (s->n == s->size) {
                        int r = submit(s, false, e);
                        if (r < 0)
                                return r;
                }
                if (!s->piece && !(s->piece = malloc(s->size)))
                        return error_oom(e);

                size_t k = MIN(n, s->size - s->n);
                memcpy(s->piece + s->n, p, k);
                s->n += k;
                p += k;
                n -= k;
        }
        return 0;
}

/* The last piece may be empty, if all of the stream is; it is never missing. */
static int compress_end(Stage *stage, Error *e) {
        Compress *s = (Compress *) stage;
        int r = submit(s, true, e);

        if (r >= 0)
                r = parallel_finish(s->parallel, e);
        return r < 0 ? r : stage_end(stage->next, e);
}

static void compress_free(Stage *stage) {
        Compress *s = (Compress *) stage;

        (void) parallel_free(s->parallel);
        if (s->packer->drop)
                s->packer->drop(s->stream);
        free(s->piece);
        free(s);
}

static const StageOps compress_ops = {
        .push = compress_push,
        .end = compress_end,
        .free = compress_free,
};

int compress_new(Format f, int level, unsigned threads, Stage *next, Stage **ret, Error *e) {
        const Packer *packer = packers[f];

        if (!packer) {
                *ret = next;
                return 0;
        }

        _cleanup_(stage_freep) Stage *owned = next;
        Compress *s = calloc(1, sizeof *s + packer->stream_size);
        if (!s)
                return error_oom(e);
        s->stage = (Stage){ .ops = &compress_ops, .next = next };
        s->packer = packer;
        s->level = level == COMPRESS_LEVEL_DEFAULT ? packer->level_default : level;
        s->size = packer->size(s->level);
        owned = &s->stage;

        const ParallelOps ops = {
                .state_size = packer->state_size,
                .close = packer->close,
                .decode = pack,
                .threads = threads,
                .chunk_size = s->size,
        };
        int r = parallel_new(&ops, s, next, &s->parallel, e);
        if (r >= 0)
                *ret = TAKE_PTR(owned);
        return r;
}
