/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bzip2, see filter.h: blocks are found by the mark that each begins with, at any bit, and unpacked on all
 * processors, each made into a stream of its own. A mark can also be chance, within a block: what then
 * does not unpack is tried again together with what follows it. */
#include <bzlib.h>

#include "importer/bits.h"
#include "importer/bzip2-block.h"
#include "importer/codec.h"
#include "importer/held.h"
#include "importer/parallel.h"

#define HEADER_BYTES 4

/* What a block of 900 kB can become: 20 bits of each of its bytes, and tables. */
#define BLOCK_BYTES_MAX ((size_t) 2560 * 1024)
/* What one is as a rule, at most; so much of each may wait. */
#define BLOCK_BYTES ((size_t) 900 * 1024)
/* Each has eight megabytes to unpack in. */
#define THREADS_MAX 4

typedef enum Kind {
        KIND_BLOCK, /* .bits: its length; .argument: the bit where it begins, and 256 times the level */
        KIND_END, /* .argument: the checksum of all blocks */
} Kind;

/* What is passed on from piece to piece, in their turns. */
typedef struct Shared {
        Bits carried; /* what did not unpack by itself */
        uint64_t carried_offset;
        uint32_t checksum; /* of the blocks so far */
} Shared;

static bool counts(const void *shared) {
        return ((const Shared *) shared)->carried.n == 0;
}

/* Where the bits of a block are. */
typedef struct Place {
        const uint8_t *data;
        size_t size;
        uint64_t at, n;
        uint64_t offset; /* of the stream, for errors */
        unsigned level;
} Place;

static Place place_of(const Chunk *c) {
        return (Place){ .data = c->data,
                        .size = c->n,
                        .at = c->argument % 8,
                        .n = c->bits,
                        .offset = c->offset,
                        .level = (unsigned) (c->argument / 256) };
}

/* Behind the mark of a block is its own checksum. */
static void add_checksum(Shared *s, const Place *l) {
        s->checksum = (s->checksum << 1 | s->checksum >> 31) ^
                      (uint32_t) bits_at(l->data, l->at + BZIP2_MARK_BITS, 32);
}

/* Of a thread. */
typedef struct Unpacker {
        Bzip2Block *block;
        uint8_t *out;
} Unpacker;

static int unpacker_open(Unpacker *u) {
        if (!u->out)
                u->out = malloc(FILTER_OUTPUT_SIZE);
        return !u->out ? -ENOMEM : u->block ? 0 : bzip2_block_new(&u->block);
}

static void unpacker_close(void *state) {
        Unpacker *u = state;

        (void) bzip2_block_free(u->block);
        free(u->out);
}

static int bad_block(const Place *l, Error *e) {
        return codec_corrupt("bzip2", l->offset, "the checksum of a block does not match", e);
}

/* A block as a stream of its own. Return: 0 or -ENOMEM. */
static int make_stream(const Place *l, Buf *ret) {
        static const uint8_t end[] = { 0x17, 0x72, 0x45, 0x38, 0x50, 0x90 };
        const uint8_t header[] = { 'B', 'Z', 'h', (uint8_t) ('0' + l->level) };
        Bits b = {};
        int r = bits_append(&b, header, 0, HEADER_BYTES * 8);

        if (r >= 0)
                r = bits_append(&b, l->data, l->at, l->n);
        if (r >= 0)
                r = bits_append(&b, end, 0, BZIP2_MARK_BITS);
        /* The checksum of a stream of one block is the block's. */
        if (r >= 0)
                r = bits_append(&b, l->data, l->at + BZIP2_MARK_BITS, 32);
        *ret = b.bytes;
        return r;
}

/* What only the first versions made is unpacked by libbz2. Return: as unpack_block(). */
static int unpack_random(Parallel *p, Unpacker *u, Chunk *c, const Place *l, Error *e) {
        _cleanup_(buf_done) Buf stream = {};
        bz_stream z = {};
        bool some = false;
        int r, q = 0;

        if (make_stream(l, &stream) < 0 || BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
                return error_oom(e);
        z.next_in = stream.p;
        z.avail_in = (unsigned) stream.n;
        do {
                z.next_out = (char *) u->out;
                z.avail_out = FILTER_OUTPUT_SIZE;
                r = BZ2_bzDecompress(&z);
                size_t n = FILTER_OUTPUT_SIZE - z.avail_out;
                if (r == BZ_OK && n == 0)
                        r = BZ_UNEXPECTED_EOF;
                some = some || n > 0;
                if (r == BZ_OK || r == BZ_STREAM_END)
                        q = parallel_emit(p, c, u->out, n, e);
        } while (r == BZ_OK && q >= 0);
        (void) BZ2_bzDecompressEnd(&z);

        return q < 0                ? q
               : r == BZ_STREAM_END ? 0
               : r == BZ_MEM_ERROR  ? error_oom(e)
               : some               ? bad_block(l, e)
                                    : 1;
}

/* Return: 0; 1 = it is no block, and nothing came of it; -errno. */
static int unpack_block(Parallel *p, Unpacker *u, Chunk *c, const Place *l, Error *e) {
        size_t n;
        int r, q = 0;

        if (unpacker_open(u) < 0)
                return error_oom(e);
        r = bzip2_block_decode(u->block, l->data, l->size, l->at, l->n, l->level);
        if (r == -EOPNOTSUPP)
                return unpack_random(p, u, c, l, e);
        if (r < 0)
                return 1;
        while (q >= 0 && (r = bzip2_block_read(u->block, u->out, FILTER_OUTPUT_SIZE, &n)) > 0)
                q = parallel_emit(p, c, u->out, n, e);
        return q < 0 ? q : r < 0 ? bad_block(l, e) : 0;
}

/* In its turn: the block belongs to what could not be unpacked before it, if there is such. */
static int carry(Parallel *p, Unpacker *u, Shared *s, Chunk *c, const Place *block, Error *e) {
        bool more = s->carried.n > 0;
        int r = more ? parallel_discard(p, c) : 0;

        if (!more)
                s->carried_offset = block->offset;
        if (r >= 0)
                r = bits_append(&s->carried, block->data, block->at, block->n);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0 || s->carried.bytes.n > BLOCK_BYTES_MAX)
                return codec_corrupt("bzip2", s->carried_offset, NULL, e);
        if (!more)
                return 0;

        const Place all = { .data = (const uint8_t *) s->carried.bytes.p,
                            .size = s->carried.bytes.n,
                            .n = s->carried.n,
                            .offset = s->carried_offset,
                            .level = block->level };
        Bits carried = s->carried;
        /* What comes of it counts. */
        s->carried = (Bits){};
        r = unpack_block(p, u, c, &all, e);
        if (r == 0)
                add_checksum(s, &all);
        if (r > 0)
                s->carried = carried;
        else
                buf_done(&carried.bytes);
        return MIN(r, 0);
}

static int decode_end(Shared *s, const Chunk *c, Error *e) {
        uint32_t found = s->checksum;

        s->checksum = 0;
        if (s->carried.n > 0)
                return codec_corrupt("bzip2", s->carried_offset, NULL, e);
        if (found != c->argument)
                return codec_corrupt("bzip2", c->offset, "the checksum does not match", e);
        return 0;
}

static int decode(Parallel *p, void *state, void *shared, Chunk *c, Error *e) {
        const Place block = place_of(c);

        c->verdict = c->kind == KIND_BLOCK ? unpack_block(p, state, c, &block, e) : 0;
        return c->verdict < 0 && c->verdict != -EAGAIN ? c->verdict : 0;
}

static int finish(Parallel *p, void *state, void *shared, Chunk *c, Error *e) {
        const Place block = place_of(c);
        Shared *s = shared;

        if (c->kind == KIND_END)
                return decode_end(s, c, e);
        if (s->carried.n > 0 || c->verdict > 0)
                return carry(p, state, s, c, &block, e);
        add_checksum(s, &block);
        return 0;
}

/* The other side: cutting the stream. */

typedef enum State {
        STATE_BETWEEN, /* padding or a header */
        STATE_FIRST,   /* behind a header, where a mark has to be */
        STATE_BLOCK,   /* behind a block's mark */
} State;

typedef struct Bzip2 {
        Stage stage;
        Parallel *parallel;
        Shared shared;

        State state;
        char level;
        Held held;
        unsigned start;   /* bit in it where the block begins */
        size_t scanned;   /* byte of it from which on to look for marks */
        uint64_t refused; /* behind something like an end, where something else was; 0 = nowhere */

        /* Which bytes can be the second and third of a mark: bit i tells of a mark that begins at bit
         * i of the byte before. */
        uint8_t second[256], third[256];
} Bzip2;

static void make_table(uint8_t table[static 256], uint64_t mark, unsigned byte) {
        for (unsigned shift = 0; shift < 8; shift++) {
                unsigned v = (unsigned) (mark >> (BZIP2_MARK_BITS - 8 - 8 * byte + shift)) & 0xff;

                table[v] = (uint8_t) (table[v] | 1u << shift);
        }
}

/* The bit where the next mark begins, with a byte behind it; UINT64_MAX = there is none. */
static uint64_t find_mark(const Bzip2 *z) {
        const uint8_t *p = held_p(&z->held);

        for (size_t i = z->scanned; i + 7 <= held_n(&z->held); i++) {
                unsigned places = z->second[p[i + 1]] & z->third[p[i + 2]];

                for (unsigned shift = 0; places; shift++, places >>= 1) {
                        uint64_t v = places & 1 ? bits_at(p + i, shift, BZIP2_MARK_BITS) : 0;
                        if (v == BZIP2_MARK_BLOCK || v == BZIP2_MARK_END)
                                return (uint64_t) i * 8 + shift;
                }
        }
        return UINT64_MAX;
}

/* Hands out what is before the bit @end. */
static int submit_block(Bzip2 *z, uint64_t end, Error *e) {
        size_t n = (size_t) ((end + 7) / 8), from = z->start / 8;
        Chunk c = {
                .kind = KIND_BLOCK,
                .n = n - from,
                .offset = z->held.offset + from,
                .bits = end - z->start,
                .argument = z->start % 8 + 256 * (uint64_t) (z->level - '0'),
        };

        c.data = malloc(c.n);
        if (!c.data)
                return error_oom(e);
        memcpy(c.data, held_p(&z->held) + from, c.n);
        return parallel_submit(z->parallel, &c, e);
}

static int submit_end(Bzip2 *z, uint64_t at, Error *e) {
        Chunk c = {
                .kind = KIND_END,
                .offset = z->held.offset + at / 8,
                .argument = bits_at(held_p(&z->held), at + BZIP2_MARK_BITS, 32),
        };

        return parallel_submit(z->parallel, &c, e);
}

/* Whether what follows the end of a stream may do so. Return: 1; 0; -EAGAIN = that is not there yet. */
static int end_is_real(const Bzip2 *z, size_t behind, bool last) {
        static const char magic[] = { 'B', 'Z', 'h' };
        size_t n = held_n(&z->held) > behind ? held_n(&z->held) - behind : 0;

        if (held_n(&z->held) < behind || (!last && n < sizeof magic))
                return -EAGAIN;
        return n == 0 || held_p(&z->held)[behind] == 0 ||
               memcmp(held_p(&z->held) + behind, magic, MIN(n, sizeof magic)) == 0;
}

/* A mark was found. Return: 1; 0 = more has to come first; -errno. */
static int take_mark(Bzip2 *z, uint64_t at, bool last, Error *e) {
        size_t behind = (size_t) ((at + BZIP2_MARK_BITS + 32 + 7) / 8);
        bool is_end = bits_at(held_p(&z->held), at, BZIP2_MARK_BITS) == BZIP2_MARK_END;
        int real = is_end ? end_is_real(z, behind, last) : 1, r;

        z->scanned = (size_t) (at / 8);
        if (real == -EAGAIN)
                return 0;
        if (real == 0) {
                z->refused = z->held.offset + behind;
                z->scanned++;
                return 1;
        }
        r = z->state == STATE_BLOCK ? submit_block(z, at, e) : 0;
        if (r >= 0 && is_end)
                r = submit_end(z, at, e);
        if (r < 0)
                return r;

        z->refused = 0;
        if (is_end) {
                held_drop(&z->held, behind);
                z->state = STATE_BETWEEN;
        } else {
                held_drop(&z->held, (size_t) (at / 8));
                z->start = at % 8;
                z->scanned = 1;
                z->state = STATE_BLOCK;
        }
        return 1;
}

static int take_block(Bzip2 *z, bool last, Error *e) {
        uint64_t at = find_mark(z);

        if (at != UINT64_MAX)
                return take_mark(z, at, last, e);
        z->scanned = MAX(z->scanned, held_n(&z->held) > 6 ? held_n(&z->held) - 6 : 0);
        if (held_n(&z->held) > BLOCK_BYTES_MAX)
                return codec_corrupt("bzip2", z->refused ? z->refused : z->held.offset,
                                     z->refused ? "not a bzip2 header" : NULL, e);
        return 0;
}

static int take_first(Bzip2 *z, bool last, Error *e) {
        if (held_n(&z->held) < 7)
                return 0;
        uint64_t v = bits_at(held_p(&z->held), 0, BZIP2_MARK_BITS);
        if (v != BZIP2_MARK_BLOCK && v != BZIP2_MARK_END)
                return codec_corrupt("bzip2", z->held.offset, NULL, e);
        int r = take_mark(z, 0, last, e);
        return r > 0 && z->state == STATE_FIRST
                       ? codec_corrupt("bzip2", z->refused, "not a bzip2 header", e)
                       : r;
}

static int take_header(Bzip2 *z, Error *e) {
        size_t zeros = 0;

        while (zeros < held_n(&z->held) && held_p(&z->held)[zeros] == 0)
                zeros++;
        held_drop(&z->held, zeros);
        if (held_n(&z->held) < HEADER_BYTES)
                return 0;
        if (memcmp(held_p(&z->held), "BZh", 3) != 0 || held_p(&z->held)[3] < '1' ||
            held_p(&z->held)[3] > '9')
                return codec_corrupt("bzip2", z->held.offset, "not a bzip2 header", e);
        z->level = held_p(&z->held)[3];
        held_drop(&z->held, HEADER_BYTES);
        z->state = STATE_FIRST;
        z->start = 0;
        z->scanned = 0;
        return 1;
}

/* Hands out what is complete. If that fails, what was handed out before may have, too, and comes first. */
static int process(Bzip2 *z, bool last, Error *e) {
        int r;

        do
                r = held_n(&z->held) == 0       ? 0
                    : z->state == STATE_BETWEEN ? take_header(z, e)
                    : z->state == STATE_FIRST   ? take_first(z, last, e)
                                                : take_block(z, last, e);
        while (r > 0);
        if (r < 0) {
                int q = parallel_finish(z->parallel, e);
                return q < 0 ? q : r;
        }
        return 0;
}

static int bzip2_push(Stage *stage, const void *data, size_t n, Error *e) {
        Bzip2 *z = (Bzip2 *) stage;

        return held_append(&z->held, data, n) < 0 ? error_oom(e) : process(z, false, e);
}

static int bzip2_end(Stage *stage, Error *e) {
        Bzip2 *z = (Bzip2 *) stage;
        int r = process(z, true, e);

        if (r >= 0)
                r = parallel_finish(z->parallel, e);
        if (r < 0)
                return r;
        if (z->state != STATE_BETWEEN && z->refused > 0)
                return codec_corrupt("bzip2", z->refused, "not a bzip2 header", e);
        if (z->state != STATE_BETWEEN || held_n(&z->held) > 0)
                return codec_cut_off("bzip2", z->held.offset + held_n(&z->held), e);
        return stage_end(stage->next, e);
}

static void bzip2_free(Stage *stage) {
        Bzip2 *z = (Bzip2 *) stage;

        z->parallel = parallel_free(z->parallel);
        buf_done(&z->shared.carried.bytes);
        held_done(&z->held);
        free(z);
}

int filter_bzip2_new(Stage *next, Stage **ret, Error *e) {
        static const StageOps stage_ops = {
                .push = bzip2_push,
                .end = bzip2_end,
                .free = bzip2_free,
        };
        static const ParallelOps parallel_ops = {
                .state_size = sizeof(Unpacker),
                .close = unpacker_close,
                .decode = decode,
                .finish = finish,
                .counts = counts,
                .processors_max = THREADS_MAX,
                .chunk_size = BLOCK_BYTES,
        };
        Bzip2 *z = calloc(1, sizeof *z);

        if (!z) {
                (void) stage_free(next);
                return error_oom(e);
        }
        z->stage = (Stage){ .ops = &stage_ops, .next = next };
        for (unsigned i = 0; i < 2; i++) {
                make_table(z->second, i ? BZIP2_MARK_END : BZIP2_MARK_BLOCK, 1);
                make_table(z->third, i ? BZIP2_MARK_END : BZIP2_MARK_BLOCK, 2);
        }

        _cleanup_(stage_freep) Stage *owned = &z->stage;
        int r = parallel_new(&parallel_ops, &z->shared, next, &z->parallel, e);
        if (r >= 0)
                *ret = TAKE_PTR(owned);
        return r;
}
