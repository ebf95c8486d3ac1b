/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zstd, see filter.h. */
#include <zstd.h>
#include <zstd_errors.h>

#include "importer/codec.h"

typedef struct Zstd {
        ZSTD_DStream *stream;
} Zstd;

static int zstd_open(void *state) {
        Zstd *z = state;

        z->stream = ZSTD_createDStream();
        return z->stream ? 0 : -ENOMEM;
}

static int zstd_restart(void *state) {
        return 0; /* the decoder goes on with the next frame by itself */
}

static int zstd_step(void *state, CodecIo *io) {
        Zstd *z = state;
        ZSTD_inBuffer in = { .src = io->in, .size = io->n_in };
        ZSTD_outBuffer out = { .dst = io->out, .size = io->n_out };
        size_t r = ZSTD_decompressStream(z->stream, &out, &in);

        io->in += in.pos;
        io->n_in -= in.pos;
        io->out += out.pos;
        io->n_out -= out.pos;

        if (!ZSTD_isError(r))
                return r == 0;
        switch (ZSTD_getErrorCode(r)) {
        case ZSTD_error_memory_allocation:
                return -ENOMEM;
        case ZSTD_error_frameParameter_windowTooLarge:
                return -E2BIG;
        default:
                io->why = ZSTD_getErrorName(r);
                return -EBADMSG;
        }
}

static void zstd_close(void *state) {
        Zstd *z = state;

        (void) ZSTD_freeDStream(z->stream);
}

int filter_zstd_new(Stage *next, Stage **ret, Error *e) {
        static const Codec zstd = {
                .name = "zstd",
                .state_size = sizeof(Zstd),
                .open = zstd_open,
                .step = zstd_step,
                .restart = zstd_restart,
                .close = zstd_close,
        };

        return codec_stage_new(&zstd, next, ret, e);
}
