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

/** codec_corrupt() - say that packed data is not what it should be
 * @at:   the byte of the packed stream
 * @why:  may be NULL
 * Return: -EBADMSG. */
int codec_corrupt(const char *name, uint64_t at, const char *why, Error *e);
/** codec_cut_off() - say that the end is missing. Return: -EBADMSG. */
int codec_cut_off(const char *name, uint64_t at, Error *e);
/** codec_too_large() - say that unpacking needs more memory than there is for it. Return: -E2BIG. */
int codec_too_large(const char *name, uint64_t at, Error *e);
