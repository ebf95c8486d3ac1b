/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bzip2, see filter.h. */
#include <bzlib.h>

#include "importer/codec.h"

static int bzip2_open(void *state) {
        return BZ2_bzDecompressInit(state, 0, 0) == BZ_OK ? 0 : -ENOMEM;
}

static void bzip2_close(void *state) {
        (void) BZ2_bzDecompressEnd(state);
}

static int bzip2_restart(void *state) {
        bzip2_close(state);
        memset(state, 0, sizeof(bz_stream));
        return bzip2_open(state);
}

static int bzip2_step(void *state, CodecIo *io) {
        bz_stream *z = state;
        unsigned n = (unsigned) MIN(io->n_in, (size_t) UINT32_MAX);

        z->next_in = (char *) io->in;
        z->avail_in = n;
        z->next_out = (char *) io->out;
        z->avail_out = (unsigned) io->n_out;
        int r = BZ2_bzDecompress(z);

        io->in += n - z->avail_in;
        io->n_in -= n - z->avail_in;
        io->out = (uint8_t *) z->next_out;
        io->n_out = z->avail_out;

        if (r == BZ_STREAM_END)
                return 1;
        if (r == BZ_OK)
                return 0;
        io->why = r == BZ_DATA_ERROR_MAGIC ? "not a bzip2 header" : NULL;
        return r == BZ_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

int filter_bzip2_new(Stage *next, Stage **ret, Error *e) {
        static const Codec bzip2 = {
                .name = "bzip2",
                .state_size = sizeof(bz_stream),
                .open = bzip2_open,
                .step = bzip2_step,
                .restart = bzip2_restart,
                .close = bzip2_close,
        };

        return codec_stage_new(&bzip2, next, ret, e);
}
