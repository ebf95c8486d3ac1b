/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs gzip: one member, whose blocks come from all threads. A piece ends at a byte, by an empty block. */
#include <endian.h>
#include <zlib.h>

#include "importer/compress-codec.h"

/* Of the stream. */
typedef struct Member {
        bool begun;
        uLong crc;
        uint32_t length;
} Member;

static size_t piece_size(int level) {
        return (size_t) 1024 * 1024;
}

static void state_close(void *state) {
        z_stream *z = state;

        if (z->state)
                (void) deflateEnd(z);
}

static int pack(void *state, Piece *p) {
        z_stream *z = state;

        if (!z->state ? deflateInit2(z, p->level, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK
                      : deflateReset(z) != Z_OK)
                return -ENOMEM;
        if (buf_reserve(&p->out, deflateBound(z, p->n) + 64) < 0)
                return -ENOMEM;
        z->next_in = (Bytef *) p->data;
        z->avail_in = (uInt) p->n;
        z->next_out = (Bytef *) p->out.p;
        z->avail_out = (uInt) p->out.size;
        int r = deflate(z, p->last ? Z_FINISH : Z_SYNC_FLUSH);
        p->out.n = p->out.size - z->avail_out;
        return r == (p->last ? Z_STREAM_END : Z_OK) && z->avail_in == 0 ? 0 : -ENOMEM;
}

static int join(void *stream, Piece *p) {
        static const uint8_t header[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
        Member *m = stream;
        _cleanup_(buf_done) Buf body = p->out;
        uLong crc = crc32_z(0, p->data, p->n);
        int r = 0;

        p->out = (Buf){};
        m->crc = m->begun ? crc32_combine(m->crc, crc, (z_off_t) p->n) : crc;
        m->length += (uint32_t) p->n;
        if (!m->begun)
                r = buf_append(&p->out, header, sizeof header);
        m->begun = true;
        if (r >= 0)
                r = buf_append(&p->out, body.p, body.n);
        if (r >= 0 && p->last) {
                const uint32_t end[] = { htole32((uint32_t) m->crc), htole32(m->length) };
                r = buf_append(&p->out, end, sizeof end);
        }
        return r;
}

const Packer packer_gzip = {
        .level_min = 1,
        .level_max = 9,
        .level_default = 6,
        .size = piece_size,
        .state_size = sizeof(z_stream),
        .close = state_close,
        .pack = pack,
        .join = join,
        .stream_size = sizeof(Member),
};
