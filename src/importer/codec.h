/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between the packings: a decoder as a small table. The stage around it, which is the same
 * for all of them, is codec.c. */
#pragma once

#include "importer/filter.h"

/* Both sides of a decoder; step() moves the pointers on. */
typedef struct CodecIo {
        const uint8_t *in;
        size_t n_in;
        uint8_t *out;
        size_t n_out;
        bool last;       /* no input will come after this */
        const char *why; /* static text that a failing step() may set */
} CodecIo;

typedef struct Codec {
        const char *name;
        size_t state_size;
        /* Makes the zeroed state ready. Return: 0 or -errno. */
        int (*open)(void *state);
        /* Return: 0 = goes on; 1 = a member (gzip), frame (zstd) or stream (xz, bzip2) is complete;
         * -EBADMSG = corrupt; -E2BIG = it asks for more memory than it gets; -ENOMEM. */
        int (*step)(void *state, CodecIo *io);
        /* Another member follows. Return: 0 or -errno. */
        int (*restart)(void *state);
        void (*close)(void *state);
} Codec;

/** codec_stage_new() - a stage that unpacks with @codec
 * @next: owned from the call on, also on failure. Return: 0 or -errno. */
int codec_stage_new(const Codec *codec, Stage *next, Stage **ret, Error *e);
