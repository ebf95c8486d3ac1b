/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs gzip: one member, whose blocks come from all threads. A piece ends at a byte, by an empty block. The lower levels
 * are ISA-L's, where there is that. */
#include <endian.h>
#include <zlib.h>

#include "importer/compress-codec.h"
#include "importer/deflate.h"

/* Of the stream. */
typedef struct Member {
        bool begun;
        uLong crc;
        uint32_t length;
} Member;

static size_t piece_size(int level) {
        return (size_t) 1024 * 1024;
}

/* Of a thread. */
typedef struct State {
        FastDeflater *fast;
        z_stream z;
} State;

static void state_close(void *state) {
        State *s = state;

        (void) fast_deflater_free(s->fast);
        if (s->z.state)
                (void) deflateEnd(&s->z);
}

static int pack_by_zlib(z_stream *z, Piece *p) {
        if (!z->state ? deflateInit2(z, p->level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK
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

static int pack(void *state, Piece *p) {
        State *s = state;
        int r = fast_deflater_pack(&s->fast, p->data, p->n, p->level, p->last, &p->out);

        p->checksum = deflate_checksum(p->data, p->n);
        return r == -EOPNOTSUPP ? pack_by_zlib(&s->z, p) : r;
}

static int join(void *stream, Piece *p) {
        static const uint8_t header[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
        Member *m = stream;
        int r = 0;

        m->crc = m->begun ? crc32_combine(m->crc, p->checksum, (z_off_t) p->n) : p->checksum;
        m->length += (uint32_t) p->n;
        if (!m->begun) {
                r = buf_reserve(&p->out, sizeof header);
                if (r < 0)
                        return r;
                memmove(p->out.p + sizeof header, p->out.p, p->out.n);
                memcpy(p->out.p, header, sizeof header);
                p->out.n += sizeof header;
        }
        m->begun = true;
        if (p->last) {
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
        .state_size = sizeof(State),
        .close = state_close,
        .pack = pack,
        .join = join,
        .stream_size = sizeof(Member),
};
