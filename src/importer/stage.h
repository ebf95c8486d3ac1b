/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One link of the chain that bytes run through: source -> filter -> verify -> sink. A stage knows only
 * `next`. Bytes are pushed; the end of the stream is told once; dropping the chain before that is how a
 * transfer is given up, and what the sink made so far is then somebody else's to remove. */
#pragma once

#include "base/error.h"

typedef struct Stage Stage;

typedef struct StageOps {
        /* Takes @n > 0 bytes, which are the caller's again afterwards. Return: 0 or -errno. */
        int (*push)(Stage *s, const void *data, size_t n, Error *e);
        /* Takes @n bytes of zeroes; NULL = as push() does. Return: 0 or -errno. */
        int (*zeroes)(Stage *s, uint64_t n, Error *e);
        /* The stream is complete: check what can be checked only now, hand on what is left, then end
         * @next. Return: 0 or -errno. */
        int (*end)(Stage *s, Error *e);
        /* Lets go of what the stage itself owns, @next excepted, and of the stage. Threads of the
         * stage have ended when it returns. */
        void (*free)(Stage *s);
} StageOps;

/* First member of every stage. */
struct Stage {
        const StageOps *ops;
        Stage *next; /* owned; NULL in the sink */
};

/** stage_push() - hand bytes to a stage; none at all is fine. Return: 0 or -errno. */
int stage_push(Stage *s, const void *data, size_t n, Error *e);
/** stage_zeroes() - hand so many bytes of zeroes to a stage. Return: 0 or -errno. */
int stage_zeroes(Stage *s, uint64_t n, Error *e);
/** stage_end() - tell a stage that the stream is complete. Return: 0 or -errno. */
int stage_end(Stage *s, Error *e);
/** stage_free() - drop a stage and all that follow it. Return: NULL. */
Stage *stage_free(Stage *s);
DEFINE_CLEANUP(Stage *, stage_free)
