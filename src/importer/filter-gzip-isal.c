/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip by ISA-L, three to four times as fast as zlib. filter-gzip-zlib.c stands in where there is no
 * ISA-L; meson chooses. */
#include <isa-l/igzip_lib.h>

#include "importer/codec.h"

typedef struct Gzip {
        struct inflate_state inflate;
} Gzip;

static int gzip_open(void *state) {
        Gzip *g = state;

        isal_inflate_init(&g->inflate);
        g->inflate.crc_flag = ISAL_GZIP;
        return 0;
}

static int gzip_restart(void *state) {
        Gzip *g = state;

        isal_inflate_reset(&g->inflate);
        g->inflate.crc_flag = ISAL_GZIP;
        return 0;
}

static int gzip_step(void *state, CodecIo *io) {
        struct inflate_state *f = &((Gzip *) state)->inflate;
        uint32_t n = (uint32_t) MIN(io->n_in, (size_t) UINT32_MAX);

        f->next_in = (uint8_t *) io->in;
        f->avail_in = n;
        f->next_out = io->out;
        f->avail_out = (uint32_t) io->n_out;
        int r = isal_inflate(f);

        io->in += n - f->avail_in;
        io->n_in -= n - f->avail_in;
        io->out = f->next_out;
        io->n_out = f->avail_out;

        if (r < ISAL_DECOMP_OK || r == ISAL_NEED_DICT) {
                io->why = r == ISAL_INCORRECT_CHECKSUM   ? "the checksum does not match"
                          : r == ISAL_INVALID_WRAPPER    ? "not a gzip header"
                          : r == ISAL_UNSUPPORTED_METHOD ? "unknown method"
                                                         : NULL;
                return -EBADMSG;
        }
        return f->block_state == ISAL_BLOCK_FINISH;
}

static void gzip_close(void *state) {
}

int filter_gzip_new(Stage *next, Stage **ret, Error *e) {
        static const Codec gzip = {
                .name = "gzip",
                .state_size = sizeof(Gzip),
                .open = gzip_open,
                .step = gzip_step,
                .restart = gzip_restart,
                .close = gzip_close,
        };

        return codec_stage_new(&gzip, next, ret, e);
}
