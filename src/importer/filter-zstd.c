/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zstd, see filter.h. Frames are told apart by the lengths in them; small ones, as parallel writers make
 * them, are unpacked on all processors. A large one goes in parts to one decoder, in their turn. */
#include <zstd.h>
#include <zstd_errors.h>

#include "importer/codec.h"
#include "importer/held.h"
#include "importer/parallel.h"

/* A frame that is longer than this, or that looks back further, is a large one. */
#define FRAME_MAX  ((size_t) 4 * 1024 * 1024)
#define WINDOW_MAX ((uint64_t) 8 * 1024 * 1024)
/* What decoding may take at all: the window that --ultra -22 has. --long=31 is refused. */
#define WINDOW_LOG_MAX 27
#define PART_SIZE      ((size_t) 256 * 1024)

typedef enum Kind {
        KIND_FRAME,
        KIND_PART, /* of a large frame */
        KIND_LAST, /* the last one of it */
} Kind;

/* Of a thread. */
typedef struct Decoder {
        ZSTD_DCtx *context;
        uint8_t *out;
} Decoder;

static int decoder_open(Decoder *d) {
        if (!d->context)
                d->context = ZSTD_createDCtx();
        if (!d->out)
                d->out = malloc(FILTER_OUTPUT_SIZE);
        if (!d->context || !d->out)
                return -ENOMEM;
        (void) ZSTD_DCtx_setParameter(d->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
        return 0;
}

static void decoder_close(void *state) {
        Decoder *d = state;

        (void) ZSTD_freeDCtx(d->context);
        free(d->out);
}

static int zstd_error(size_t r, uint64_t at, Error *e) {
        switch (ZSTD_getErrorCode(r)) {
        case ZSTD_error_memory_allocation:
                return error_oom(e);
        case ZSTD_error_frameParameter_windowTooLarge:
                return codec_too_large("zstd", at, e);
        default:
                return codec_corrupt("zstd", at, ZSTD_getErrorName(r), e);
        }
}

/* In the order of the stream; those of a large frame after parallel_wait_turn(). */
static int decode(Parallel *p, void *state, void *shared, Chunk *c, Error *e) {
        Decoder *d = c->kind == KIND_FRAME ? state : shared;
        ZSTD_inBuffer in = { .src = c->data, .size = c->n };
        bool full = false;
        size_t left = 1;
        int r = c->kind == KIND_FRAME ? 0 : parallel_wait_turn(p, c, e);

        if (r < 0)
                return r;
        if (decoder_open(d) < 0)
                return error_oom(e);
        if (c->kind == KIND_FRAME)
                (void) ZSTD_DCtx_reset(d->context, ZSTD_reset_session_only);
        while (in.pos < in.size || full) {
                ZSTD_outBuffer out = { .dst = d->out, .size = FILTER_OUTPUT_SIZE };

                left = ZSTD_decompressStream(d->context, &out, &in);
                if (ZSTD_isError(left))
                        return zstd_error(left, c->offset + in.pos, e);
                r = parallel_emit(p, c, d->out, out.pos, e);
                if (r < 0)
                        return r;
                full = out.pos == out.size;
                if (left == 0)
                        break;
        }
        if ((left == 0) != (c->kind != KIND_PART) || in.pos != in.size)
                return codec_corrupt("zstd", c->offset + in.pos, NULL, e);
        return 0;
}

/* The other side: telling frames apart. */

typedef enum State {
        STATE_BETWEEN,  /* padding or a magic number */
        STATE_SKIPPED,  /* within a frame without content */
        STATE_HEADER,   /* of a frame */
        STATE_BLOCK,    /* at the header of a block */
        STATE_CHECKSUM, /* behind the last block */
} State;

typedef struct Zstd {
        Stage stage;
        Parallel *parallel;
        Decoder decoder; /* of large frames */

        State state;
        bool checksum, large;
        Held held;
        uint64_t next; /* of the stream: behind what was looked at */
} Zstd;

static uint64_t little_endian(const uint8_t *p, size_t n) {
        uint64_t v = 0;

        while (n-- > 0)
                v = v << 8 | p[n];
        return v;
}

/* Hands out the first @n bytes of what is held. */
static int submit(Zstd *z, size_t n, Kind kind, Error *e) {
        Chunk c = { .kind = kind, .n = n, .offset = z->held.offset, .data = malloc(n) };

        if (!c.data)
                return error_oom(e);
        memcpy(c.data, held_p(&z->held), n);
        held_drop(&z->held, n);
        return parallel_submit(z->parallel, &c, e);
}

/* Return: 1 at a frame; 0 = more has to come; -errno. */
static int take_magic(Zstd *z, const uint8_t *p, size_t n, Error *e) {
        size_t zeros = 0;

        while (zeros < n && p[zeros] == 0)
                zeros++;
        held_drop(&z->held, zeros);
        z->next = z->held.offset;
        p = held_p(&z->held);
        n = held_n(&z->held);
        if (n < 4)
                return 0;

        uint64_t magic = little_endian(p, 4);
        if ((magic & 0xfffffff0) == ZSTD_MAGIC_SKIPPABLE_START) {
                if (n < 8)
                        return 0;
                z->next += 8 + little_endian(p + 4, 4);
                z->state = STATE_SKIPPED;
                return 1;
        }
        if (magic != ZSTD_MAGICNUMBER)
                return codec_corrupt("zstd", z->held.offset, "not a zstd header", e);
        z->state = STATE_HEADER;
        return 1;
}

static int take_header(Zstd *z, const uint8_t *p, size_t n, Error *e) {
        static const uint8_t dictionary[] = { 0, 1, 2, 4 }, content[] = { 0, 2, 4, 8 };
        uint64_t window = 0, size = 0;

        if (n < 5)
                return 0;
        bool single = p[4] & 0x20;
        size_t n_dictionary = dictionary[p[4] & 3];
        size_t n_content = p[4] >> 6 || !single ? content[p[4] >> 6] : 1;
        size_t length = 5 + !single + n_dictionary + n_content;
        if (n < length)
                return 0;

        if (!single)
                window = (8 + (uint64_t) (p[5] & 7)) << ((p[5] >> 3) + 7);
        size = little_endian(p + length - n_content, n_content);
        z->checksum = p[4] & 4;
        z->large = MAX(window, single ? size : 0) > WINDOW_MAX;
        z->next = z->held.offset + length;
        z->state = STATE_BLOCK;
        return 1;
}

static int take_block(Zstd *z, const uint8_t *p, size_t n, Error *e) {
        if (n < 3)
                return 0;
        uint64_t v = little_endian(p, 3);
        bool last = v & 1, repeated = (v >> 1 & 3) == 1;

        z->next += 3 + (repeated ? 1 : v >> 3);
        if (last)
                z->state = STATE_CHECKSUM;
        return 1;
}

/* Behind the last block: waits for its bytes and for the checksum. */
static int take_end(Zstd *z, Error *e) {
        size_t n = (size_t) (z->next - z->held.offset) + (z->checksum ? 4 : 0);

        if (held_n(&z->held) < n)
                return 0;
        int r = submit(z, n, z->large ? KIND_LAST : KIND_FRAME, e);
        z->next = z->held.offset;
        z->state = STATE_BETWEEN;
        return r < 0 ? r : 1;
}

/* Hands out what of a large frame is there, but keeps the last bytes, so that its end is not empty. */
static int take_part(Zstd *z, Error *e) {
        uint64_t known = z->next - z->held.offset;
        size_t n = (size_t) MIN((uint64_t) held_n(&z->held), known);

        if (n <= PART_SIZE)
                return 0;
        return submit(z, n - 1, KIND_PART, e);
}

/* Looks at what is there. Return: 1; 0 = more has to come; -errno. */
static int step(Zstd *z, Error *e) {
        uint64_t behind = z->next - z->held.offset;
        const uint8_t *p = held_p(&z->held);
        int r = 0;

        if (z->state == STATE_CHECKSUM)
                r = take_end(z, e);
        else if (held_n(&z->held) >= behind && held_n(&z->held) > 0) {
                size_t n = held_n(&z->held) - (size_t) behind;

                p += behind;
                if (z->state == STATE_SKIPPED) {
                        held_drop(&z->held, (size_t) behind);
                        z->state = STATE_BETWEEN;
                        return 1;
                }
                r = z->state == STATE_BETWEEN  ? take_magic(z, p, n, e)
                    : z->state == STATE_HEADER ? take_header(z, p, n, e)
                                               : take_block(z, p, n, e);
        }
        return r;
}

/* Hands out what is complete, and of a large frame what is there. */
static int process(Zstd *z, Error *e) {
        int r;

        while ((r = step(z, e)) > 0)
                ;
        if (r < 0)
                return r;
        if (z->state == STATE_SKIPPED)
                held_drop(&z->held, held_n(&z->held));
        if (z->state == STATE_BLOCK || z->state == STATE_CHECKSUM) {
                z->large = z->large || held_n(&z->held) > FRAME_MAX;
                r = z->large ? take_part(z, e) : 0;
        }
        return r;
}

/* What was handed out before may have failed, too, and comes first. */
static int fail(Zstd *z, int r, Error *e) {
        int q = parallel_finish(z->parallel, e);

        return q < 0 ? q : r;
}

static int zstd_push(Stage *stage, const void *data, size_t n, Error *e) {
        Zstd *z = (Zstd *) stage;

        if (held_append(&z->held, data, n) < 0)
                return error_oom(e);
        int r = process(z, e);
        return r < 0 ? fail(z, r, e) : 0;
}

static int zstd_end(Stage *stage, Error *e) {
        Zstd *z = (Zstd *) stage;
        size_t n = held_n(&z->held);
        bool within = z->state == STATE_HEADER || z->state == STATE_BLOCK ||
                      z->state == STATE_CHECKSUM;
        bool whole = z->state == STATE_SKIPPED ? z->next == z->held.offset + n : !within && n == 0;
        uint64_t end = z->held.offset + n;
        int r = 0;

        /* Lengths that make no sense lead anywhere; the decoder knows better what is wrong. */
        if (within && n > 0)
                r = submit(z, n, KIND_PART, e);
        if (r >= 0)
                r = parallel_finish(z->parallel, e);
        if (r < 0)
                return fail(z, r, e);
        return whole ? stage_end(stage->next, e) : codec_cut_off("zstd", end, e);
}

static void zstd_free(Stage *stage) {
        Zstd *z = (Zstd *) stage;

        z->parallel = parallel_free(z->parallel);
        decoder_close(&z->decoder);
        held_done(&z->held);
        free(z);
}

int filter_zstd_new(Stage *next, Stage **ret, Error *e) {
        static const StageOps stage_ops = {
                .push = zstd_push,
                .end = zstd_end,
                .free = zstd_free,
        };
        static const ParallelOps parallel_ops = {
                .state_size = sizeof(Decoder),
                .close = decoder_close,
                .decode = decode,
        };
        Zstd *z = calloc(1, sizeof *z);

        if (!z) {
                (void) stage_free(next);
                return error_oom(e);
        }
        z->stage = (Stage){ .ops = &stage_ops, .next = next };

        _cleanup_(stage_freep) Stage *owned = &z->stage;
        int r = parallel_new(&parallel_ops, &z->decoder, next, &z->parallel, e);
        if (r >= 0)
                *ret = TAKE_PTR(owned);
        return r;
}
