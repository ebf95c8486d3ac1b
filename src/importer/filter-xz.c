/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xz, see filter.h. Blocks of one stream are decoded on all processors, if the writer made several. */
#include <lzma.h>

#include "importer/codec.h"

/* What decoding in threads may take; a file that needs more is decoded by one. */
#define XZ_MEMORY_THREADS ((uint64_t) 256 * 1024 * 1024)

static int xz_open(void *state) {
        lzma_mt mt = {
                .threads = MAX(lzma_cputhreads(), 1u),
                .memlimit_threading = XZ_MEMORY_THREADS,
                .memlimit_stop = FILTER_XZ_MEMORY_MAX,
        };

        return lzma_stream_decoder_mt(state, &mt) == LZMA_OK ? 0 : -ENOMEM;
}

static int xz_step(void *state, CodecIo *io) {
        lzma_stream *z = state;

        z->next_in = io->in;
        z->avail_in = io->n_in;
        z->next_out = io->out;
        z->avail_out = io->n_out;
        lzma_ret r = lzma_code(z, io->last ? LZMA_FINISH : LZMA_RUN);

        io->in = z->next_in;
        io->n_in = z->avail_in;
        io->out = z->next_out;
        io->n_out = z->avail_out;

        switch (r) {
        case LZMA_STREAM_END:
                return 1;
        case LZMA_OK:
        case LZMA_BUF_ERROR:
                return 0;
        case LZMA_MEM_ERROR:
                return -ENOMEM;
        case LZMA_MEMLIMIT_ERROR:
                return -E2BIG;
        case LZMA_FORMAT_ERROR:
                io->why = "not an xz header";
                return -EBADMSG;
        case LZMA_OPTIONS_ERROR:
                io->why = "unknown options";
                return -EBADMSG;
        default:
                return -EBADMSG;
        }
}

static void xz_close(void *state) {
        lzma_end(state);
}

int filter_xz_new(Stage *next, Stage **ret, Error *e) {
        static const Codec xz = {
                .name = "xz",
                .state_size = sizeof(lzma_stream), /* all zero is LZMA_STREAM_INIT */
                .open = xz_open,
                .step = xz_step,
                .restart = xz_open, /* reuses what is allocated */
                .close = xz_close,
        };

        return codec_stage_new(&xz, next, ret, e);
}
