/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip by zlib, for where ISA-L is not to be had (see filter-gzip-isal.c); meson chooses. */
#include <zlib.h>

#include "importer/codec.h"

static int gzip_open(void *state) {
        z_stream *z = state;

        /* 32 KiB of window; 16 says: a gzip header and nothing else. */
        return inflateInit2(z, 15 + 16) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_restart(void *state) {
        return inflateReset(state) == Z_OK ? 0 : -EBADMSG;
}

static int gzip_step(void *state, CodecIo *io) {
        z_stream *z = state;
        uInt n = (uInt) MIN(io->n_in, (size_t) UINT32_MAX);

        z->next_in = (Bytef *) io->in;
        z->avail_in = n;
        z->next_out = io->out;
        z->avail_out = (uInt) io->n_out;
        int r = inflate(z, Z_NO_FLUSH);

        io->in += n - z->avail_in;
        io->n_in -= n - z->avail_in;
        io->out = z->next_out;
        io->n_out = z->avail_out;

        if (r == Z_STREAM_END)
                return 1;
        if (r == Z_OK || r == Z_BUF_ERROR)
                return 0;
        io->why = z->msg;
        return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static void gzip_close(void *state) {
        (void) inflateEnd(state);
}

int filter_gzip_new(Stage *next, Stage **ret, Error *e) {
        static const Codec gzip = {
                .name = "gzip",
                .state_size = sizeof(z_stream),
                .open = gzip_open,
                .step = gzip_step,
                .restart = gzip_restart,
                .close = gzip_close,
        };

        return codec_stage_new(&gzip, next, ret, e);
}
