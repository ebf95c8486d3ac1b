/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs lz4, in frames one behind the other. */
#include <lz4frame.h>

#include "importer/compress-codec.h"

static size_t piece_size(int level) {
        return (size_t) 4 * 1024 * 1024;
}

static int pack(void *state, Piece *p) {
        const LZ4F_preferences_t preferences = {
                .frameInfo = { .blockSizeID = LZ4F_max4MB,
                               .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                               .contentSize = p->n },
                .compressionLevel = p->level,
        };

        if (buf_reserve(&p->out, LZ4F_compressFrameBound(p->n, &preferences)) < 0)
                return -ENOMEM;
        size_t n = LZ4F_compressFrame(p->out.p, p->out.size, p->data ? p->data : (uint8_t *) "",
                                      p->n, &preferences);
        if (LZ4F_isError(n))
                return -ENOMEM;
        p->out.n = n;
        return 0;
}

const Packer packer_lz4 = {
        .level_min = 1,
        .level_max = 12,
        .level_default = 1,
        .size = piece_size,
        .pack = pack,
};
