/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between the packers: how one piece is packed by itself, and what makes one stream of the pieces. The
 * stage around them is compress.c. */
#pragma once

#include "base/text.h"
#include "importer/compress.h"

/* A piece on its way. */
typedef struct Piece {
        const uint8_t *data; /* for pack() only */
        size_t n;
        int level;
        bool last;         /* of the stream */
        Buf out;           /* packed */
        uint32_t checksum; /* for join(), if pack() has one */
} Piece;

typedef struct Packer {
        int level_min, level_max, level_default;
        /* Bytes of a piece. */
        size_t (*size)(int level);
        size_t state_size; /* of a thread, zeroed at first */
        void (*close)(void *state);
        /* Packs one piece, at the same time as others are. Return: 0 or -ENOMEM. */
        int (*pack)(void *state, Piece *p);
        /* In the order of the stream: makes the pieces one. NULL = they are put one behind the other. @stream: zeroed
         * at first. What is to be written is in p->out. Return: 0 or -ENOMEM. */
        int (*join)(void *stream, Piece *p);
        size_t stream_size;
        void (*drop)(void *stream); /* frees what is left of it; may be NULL */
} Packer;

extern const Packer packer_gzip, packer_bzip2, packer_xz, packer_zstd, packer_lz4;
