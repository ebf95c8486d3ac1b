/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stage that packs, see compress.h: gathers pieces and gives them to the threads. Knows no packing: those are the
 * compress-*.c files. */
#include "importer/compress.h"

#include <pthread.h>

#include "importer/compress-codec.h"
#include "importer/parallel.h"
#include "importer/sparse.h"

typedef struct Compress {
        Stage stage;
        const Packer *packer;
        int level;
        Parallel *parallel;
        uint8_t *piece;
        size_t n, size;
        pthread_mutex_t lock; /* of what follows */
        Buf zeroes;           /* a piece of them, packed */
        uint32_t zeroes_checksum;
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

/* A whole piece of zeroes, of which disks have many, is the same each time. Return: whether it is one that was
 * packed before, and is now in @piece; -ENOMEM. */
static int find_zeroes(Compress *s, Piece *piece) {
        int r = 0;

        (void) pthread_mutex_lock(&s->lock);
        if (s->zeroes.n > 0)
                r = buf_append(&piece->out, s->zeroes.p, s->zeroes.n) < 0 ? -ENOMEM : 1;
        piece->checksum = s->zeroes_checksum;
        (void) pthread_mutex_unlock(&s->lock);
        return r;
}

static int keep_zeroes(Compress *s, const Piece *piece) {
        int r = 0;

        (void) pthread_mutex_lock(&s->lock);
        if (s->zeroes.n == 0)
                r = buf_append(&s->zeroes, piece->out.p, piece->out.n);
        s->zeroes_checksum = piece->checksum;
        (void) pthread_mutex_unlock(&s->lock);
        return r;
}

static int pack_piece(Compress *s, void *state, Piece *piece) {
        bool zeroes = !piece->last && (!piece->data || sparse_is_zero(piece->data, piece->n));
        _cleanup_free_ uint8_t *made = NULL;
        int r = zeroes ? find_zeroes(s, piece) : 0;

        if (r == 0 && zeroes && !piece->data) {
                piece->data = made = calloc(1, piece->n);
                r = made ? 0 : -ENOMEM;
        }
        if (r == 0) {
                r = s->packer->pack(state, piece);
                if (r >= 0 && zeroes)
                        r = keep_zeroes(s, piece);
        }
        return MIN(r, 0);
}

static int pack(Parallel *p, void *state, void *shared, Chunk *c, Error *e) {
        Compress *s = shared;
        Piece piece = { .data = c->data, .n = c->n, .level = s->level, .last = c->kind };

        if (pack_piece(s, state, &piece) < 0) {
                buf_done(&piece.out);
                return error_oom(e);
        }
        c->bits = c->n;
        c->argument = piece.checksum;
        /* There is room for what does not pack well. */
        char *fitting = piece.out.n > 0 ? realloc(piece.out.p, piece.out.n) : NULL;
        parallel_replace(p, c, (uint8_t *) (fitting ? fitting : piece.out.p), piece.out.n);
        return 0;
}

static int join(Parallel *p, void *state, void *shared, Chunk *c, Error *e) {
        Compress *s = shared;
        Piece piece = {
                .n = (size_t) c->bits,
                .level = s->level,
                .last = c->kind,
                .out = { .p = (char *) c->data, .n = c->n, .size = c->n },
                .checksum = (uint32_t) c->argument,
        };
        int r = 0;

        c->data = NULL;
        if (s->packer->join)
                r = s->packer->join(s->stream, &piece);
        r = r < 0 ? error_oom(e) : parallel_emit(p, c, piece.out.p, piece.out.n, e);
        buf_done(&piece.out);
        return r;
}

static int submit(Compress *s, bool last, Error *e) {
        Chunk c = { .kind = last, .data = s->piece, .n = s->n };

        s->piece = NULL;
        s->n = 0;
        return parallel_submit(s->parallel, &c, e);
}

/* A place for some more. Return: how many bytes of @n it has; -errno. */
static ssize_t make_place(Compress *s, uint64_t n, Error *e) {
        if (s->n == s->size) {
                int r = submit(s, false, e);
                if (r < 0)
                        return r;
        }
        if (!s->piece && !(s->piece = malloc(s->size)))
                return error_oom(e);
        return (ssize_t) MIN(n, (uint64_t) (s->size - s->n));
}

/* Of pieces of nothing else no memory is made. The last one of the stream is not among them. */
static int compress_zeroes(Stage *stage, uint64_t n, Error *e) {
        Compress *s = (Compress *) stage;

        while (n > 0) {
                if (s->n == 0 && n > s->size) {
                        Chunk c = { .n = s->size };
                        int r = parallel_submit(s->parallel, &c, e);
                        if (r < 0)
                                return r;
                        n -= s->size;
                        continue;
                }
                ssize_t k = make_place(s, n, e);
                if (k < 0)
                        return (int) k;
                memset(s->piece + s->n, 0, (size_t) k);
                s->n += (size_t) k;
                n -= (uint64_t) k;
                if (s->n == s->size && n > 0) {
                        int r = submit(s, false, e);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int compress_push(Stage *stage, const void *data, size_t n, Error *e) {
        Compress *s = (Compress *) stage;
        const uint8_t *p = data;

        while (n > 0) {
                ssize_t k = make_place(s, n, e);
                if (k < 0)
                        return (int) k;
                memcpy(s->piece + s->n, p, (size_t) k);
                s->n += (size_t) k;
                p += k;
                n -= (size_t) k;
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
        (void) pthread_mutex_destroy(&s->lock);
        buf_done(&s->zeroes);
        free(s->piece);
        free(s);
}

static const StageOps compress_ops = {
        .push = compress_push,
        .zeroes = compress_zeroes,
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
        (void) pthread_mutex_init(&s->lock, NULL);
        owned = &s->stage;

        const ParallelOps ops = {
                .state_size = packer->state_size,
                .close = packer->close,
                .decode = pack,
                .finish = join,
                .threads = threads,
                .chunk_size = s->size,
        };
        int r = parallel_new(&ops, s, next, &s->parallel, e);
        if (r >= 0)
                *ret = TAKE_PTR(owned);
        return r;
}
