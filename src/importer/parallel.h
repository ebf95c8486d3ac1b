/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unpacks the pieces of a stream on all processors at the same time and hands on what comes out in their
 * order. Who cuts the stream in pieces, and what one is, is the caller's; so is how one is unpacked.
 *
 * Bounded: pieces that wait, and what came out of those whose turn it is not yet, are counted. A thread
 * whose output has no room left waits for its turn, in which everything goes straight to the next stage.
 * No other has to wait: what is through before its turn is left to the thread whose turn it is. */
#pragma once

#include "importer/stage.h"

/* What may wait on either side, of all threads together. */
#define PARALLEL_INPUT_MAX   ((size_t) 6 * 1024 * 1024)
#define PARALLEL_OUTPUT_MAX  ((size_t) 8 * 1024 * 1024)
#define PARALLEL_CHUNKS_MAX  ((size_t) 20 * 1024 * 1024)
#define PARALLEL_THREADS_MAX 8

typedef struct Parallel Parallel;

typedef struct Chunk {
        uint8_t *data; /* owned */
        size_t n;
        uint64_t offset; /* of the packed stream, where it begins */
        unsigned kind;   /* these are the codec's own */
        uint64_t bits, argument;
        int verdict;

        /* Of parallel.c. */
        uint64_t index;
        bool ready; /* decode() is through, and ended with .result */
        int result;
        Error error;
        uint8_t *out; /* what came out before its turn */
        size_t n_out, size_out;
} Chunk;

typedef struct ParallelOps {
        size_t state_size;          /* of what a thread keeps between pieces, zeroed at first */
        void (*close)(void *state); /* frees that */
        /* Unpacks one piece by calls of parallel_emit(). @shared: may be used after
         * parallel_wait_turn(). Return: 0 or -errno with @e set. */
        int (*decode)(Parallel *p, void *state, void *shared, Chunk *c, Error *e);
        /* What can only be done in the turn of a piece, behind decode(); NULL = nothing. Maybe by another
         * thread, with the @state of that one. Return: 0 or -errno with @e set. */
        int (*finish)(Parallel *p, void *state, void *shared, Chunk *c, Error *e);
        /* In the turn of a piece: whether what came out of it counts; NULL = always. If not,
         * parallel_emit() is -EAGAIN. */
        bool (*counts)(const void *shared);
        unsigned threads; /* 0 = one for each processor; PARALLEL_THREADS_MAX at most */
        /* Use no more of them, for the memory that each thread takes; 0 = all. */
        unsigned processors_max;
        /* If all pieces are that large, there may be two for each thread, and one, if that is not too much.
         * 0 = any number may wait, of PARALLEL_INPUT_MAX bytes. */
        size_t chunk_size;
} ParallelOps;

/** parallel_new() - start the threads
 * @shared:  the caller's, borrowed
 * @next:    where to push to, borrowed; from several threads, but never at the same time
 * Return: 0 or -errno. */
int parallel_new(const ParallelOps *ops, void *shared, Stage *next, Parallel **ret, Error *e);
/** parallel_free() - end the threads, whatever they are at. Takes NULL. Return: NULL. */
Parallel *parallel_free(Parallel *p);

/** parallel_submit() - add a piece; waits until there is room
 * @c:  its data is taken over, also on failure
 * Return: 0, or what an earlier piece failed with. */
int parallel_submit(Parallel *p, Chunk *c, Error *e);
/** parallel_finish() - wait until all is through. Return: 0, or what the first piece failed with. */
int parallel_finish(Parallel *p, Error *e);

/** parallel_emit() - for decode() and finish(): hand on what came out
 * Return: 0; -ECANCELED; -EAGAIN; -errno of the next stage. */
int parallel_emit(Parallel *p, Chunk *c, const void *data, size_t n, Error *e);
/** parallel_wait_turn() - for decode(): wait until all earlier pieces are through
 * Return: 0; -ECANCELED = one of them failed. */
int parallel_wait_turn(Parallel *p, Chunk *c, Error *e);
/** parallel_replace() - for decode(): keep something else than the piece for finish(), which is smaller as a rule
 * @data: taken over; n: c->n from now on */
void parallel_replace(Parallel *p, Chunk *c, uint8_t *data, size_t n);
/** parallel_discard() - for finish(): forget what came out, if none of it was handed on
 * Return: 0; -EBUSY = some was. */
int parallel_discard(Parallel *p, Chunk *c);
