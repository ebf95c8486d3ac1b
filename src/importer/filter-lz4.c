/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lz4 in frames, see filter.h. The older form without frames is not understood. */
#include <lz4frame.h>

#include "base/text.h"
#include "importer/codec.h"

typedef struct Lz4 {
        LZ4F_dctx *context;
} Lz4;

static int lz4_open(void *state) {
        Lz4 *z = state;

        return LZ4F_isError(LZ4F_createDecompressionContext(&z->context, LZ4F_VERSION)) ? -ENOMEM
                                                                                        : 0;
}

static int lz4_restart(void *state) {
        LZ4F_resetDecompressionContext(((Lz4 *) state)->context);
        return 0;
}

static int lz4_step(void *state, CodecIo *io) {
        Lz4 *z = state;
        size_t n_in = io->n_in, n_out = io->n_out;
        size_t r = LZ4F_decompress(z->context, io->out, &n_out, io->in, &n_in, NULL);

        if (LZ4F_isError(r)) {
                const char *why = LZ4F_getErrorName(r), *words = str_skip_prefix(why, "ERROR_");

                io->why = words ? words : why;
                return -EBADMSG;
        }
        io->in += n_in;
        io->n_in -= n_in;
        io->out += n_out;
        io->n_out -= n_out;
        return r == 0;
}

static void lz4_close(void *state) {
        (void) LZ4F_freeDecompressionContext(((Lz4 *) state)->context);
}

int filter_lz4_new(Stage *next, Stage **ret, Error *e) {
        static const Codec lz4 = {
                .name = "lz4",
                .state_size = sizeof(Lz4),
                .open = lz4_open,
                .step = lz4_step,
                .restart = lz4_restart,
                .close = lz4_close,
        };

        return codec_stage_new(&lz4, next, ret, e);
}
