/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs bzip2: one stream, whose blocks come from all threads. Each is packed as a stream of its own; what is before and
 * behind the block there is taken off, and the blocks are put together bit by bit. */
#include <bzlib.h>

#include "importer/bits.h"
#include "importer/compress-codec.h"

#define HEADER_BYTES 4

/* Of the stream. */
typedef struct Stream {
        bool begun;
        uint32_t checksum;
        Bits rest; /* less than a byte, for the next piece */
} Stream;

/* So much that it becomes one block, even if each four bytes become five in it. */
static size_t piece_size(int level) {
        return (size_t) level * 100000 / 5 * 4 - 64;
}

static int pack(void *state, Piece *p) {
        unsigned n = (unsigned) (p->n + p->n / 100 + 600);

        if (p->n == 0)
                return 0;
        if (buf_reserve(&p->out, n) < 0 ||
            BZ2_bzBuffToBuffCompress(p->out.p, &n, (char *) p->data, (unsigned) p->n, p->level, 0,
                                     0) != BZ_OK)
                return -ENOMEM;
        p->out.n = n;
        return 0;
}

/* Bits of the one block in a stream: up to the mark of the end, which has a checksum and less than a byte behind it. */
static uint64_t block_bits(const Buf *b) {
        uint64_t at = b->n * 8 - BZIP2_MARK_BITS - 32;

        for (unsigned i = 0; i < 8; i++, at--)
                if (bits_at((const uint8_t *) b->p, at, BZIP2_MARK_BITS) == BZIP2_MARK_END)
                        break;
        return at - HEADER_BYTES * 8;
}

static int put_number(Bits *to, uint64_t v, unsigned n) {
        uint8_t bytes[8];

        for (unsigned i = 0; i < n / 8; i++)
                bytes[i] = (uint8_t) (v >> (n - 8 - 8 * i));
        return bits_append(to, bytes, 0, n);
}

static int put_block(Stream *s, Bits *out, const Buf *body) {
        const uint8_t *p = (const uint8_t *) body->p;

        s->checksum = (s->checksum << 1 | s->checksum >> 31) ^
                      (uint32_t) bits_at(p, HEADER_BYTES * 8 + BZIP2_MARK_BITS, 32);
        return bits_append(out, p, HEADER_BYTES * 8, block_bits(body));
}

static int join(void *stream, Piece *p) {
        Stream *s = stream;
        const uint8_t header[] = { 'B', 'Z', 'h', (uint8_t) ('0' + p->level) };
        _cleanup_(buf_done) Buf body = p->out;
        Bits out = s->rest;
        int r = 0;

        p->out = (Buf){};
        s->rest = (Bits){};
        if (!s->begun)
                r = bits_append(&out, header, 0, sizeof header * 8);
        s->begun = true;
        if (r >= 0 && body.n > 0)
                r = put_block(s, &out, &body);
        if (r >= 0 && p->last)
                r = put_number(&out, BZIP2_MARK_END, BZIP2_MARK_BITS);
        if (r >= 0 && p->last)
                r = put_number(&out, s->checksum, 32);
        if (r >= 0 && !p->last && out.n % 8 > 0) {
                r = bits_append(&s->rest, (const uint8_t *) out.bytes.p, out.n / 8 * 8, out.n % 8);
                out.bytes.n--;
        }
        /* Behind the end there are zeros up to a byte. */
        if (r >= 0 && p->last && out.n % 8 > 0)
                out.bytes.p[out.bytes.n - 1] &= (char) (0xff00 >> out.n % 8);
        p->out = out.bytes;
        return r;
}

static void drop(void *stream) {
        buf_done(&((Stream *) stream)->rest.bytes);
}

const Packer packer_bzip2 = {
        .level_min = 1,
        .level_max = 9,
        .level_default = 9,
        .size = piece_size,
        .pack = pack,
        .join = join,
        .stream_size = sizeof(Stream),
        .drop = drop,
};
