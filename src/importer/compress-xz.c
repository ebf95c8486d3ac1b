/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs xz: one stream, whose blocks come from all threads and whose index lists them, so that unpackers can do them at
 * the same time, too. */
#include <lzma.h>

#include "importer/compress-codec.h"

#define CHECK LZMA_CHECK_CRC64

/* Of the stream. */
typedef struct Stream {
        bool begun;
        lzma_index *index;
} Stream;

/* As xz does it: three times what the level looks back, but at least a megabyte. */
static size_t piece_size(int level) {
        lzma_options_lzma options;

        (void) lzma_lzma_preset(&options, (uint32_t) level);
        return MAX((size_t) options.dict_size * 3, (size_t) 1024 * 1024);
}

/* The sizes of the block are put before it: the index needs them. */
typedef struct Sizes {
        lzma_vli unpadded, uncompressed;
} Sizes;

static int pack(void *state, Piece *p) {
        lzma_options_lzma options;
        lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };
        lzma_block block = { .version = 1, .check = CHECK, .filters = filters };
        Sizes sizes = {};

        if (buf_append(&p->out, &sizes, sizeof sizes) < 0)
                return -ENOMEM;
        if (p->n == 0)
                return 0;
        (void) lzma_lzma_preset(&options, (uint32_t) p->level);
        if (buf_reserve(&p->out, lzma_block_buffer_bound(p->n)) < 0 ||
            lzma_block_buffer_encode(&block, NULL, p->data, p->n, (uint8_t *) p->out.p, &p->out.n,
                                     p->out.size) != LZMA_OK)
                return -ENOMEM;
        sizes = (Sizes){ lzma_block_unpadded_size(&block), block.uncompressed_size };
        memcpy(p->out.p, &sizes, sizeof sizes);
        return 0;
}

static int put_end(Stream *s, Buf *out) {
        lzma_stream_flags flags = { .backward_size = lzma_index_size(s->index), .check = CHECK };
        size_t n = lzma_index_size(s->index);
        int r = buf_reserve(out, n + LZMA_STREAM_HEADER_SIZE);

        if (r >= 0 && (lzma_index_buffer_encode(s->index, (uint8_t *) out->p, &out->n, out->size) !=
                               LZMA_OK ||
                       lzma_stream_footer_encode(&flags, (uint8_t *) out->p + out->n) != LZMA_OK))
                r = -ENOMEM;
        out->n += r < 0 ? 0 : LZMA_STREAM_HEADER_SIZE;
        lzma_index_end(s->index, NULL);
        s->index = NULL;
        return r;
}

static int join(void *stream, Piece *p) {
        const lzma_stream_flags flags = { .check = CHECK };
        uint8_t header[LZMA_STREAM_HEADER_SIZE];
        Stream *s = stream;
        _cleanup_(buf_done) Buf body = p->out;
        Sizes sizes;
        int r = 0;

        memcpy(&sizes, body.p, sizeof sizes);
        p->out = (Buf){};
        if (!s->begun) {
                s->begun = true;
                s->index = lzma_index_init(NULL);
                if (!s->index || lzma_stream_header_encode(&flags, header) != LZMA_OK)
                        return -ENOMEM;
                r = buf_append(&p->out, header, sizeof header);
        }
        if (r >= 0 && sizes.unpadded > 0 &&
            lzma_index_append(s->index, NULL, sizes.unpadded, sizes.uncompressed) != LZMA_OK)
                r = -ENOMEM;
        if (r >= 0)
                r = buf_append(&p->out, body.p + sizeof sizes, body.n - sizeof sizes);
        return r >= 0 && p->last ? put_end(s, &p->out) : r;
}

static void drop(void *stream) {
        lzma_index_end(((Stream *) stream)->index, NULL);
}

const Packer packer_xz = {
        .level_min = 0,
        .level_max = 9,
        .level_default = 6,
        .size = piece_size,
        .pack = pack,
        .join = join,
        .stream_size = sizeof(Stream),
        .drop = drop,
};
