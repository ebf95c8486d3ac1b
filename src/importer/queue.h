/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded queue of byte blocks between two threads, one of which writes and one reads. Whoever is
 * faster waits. Small writes are gathered, so that the reader sees whole blocks until the end. */
#pragma once

#include "base/macro.h"

#define QUEUE_BLOCK_SIZE ((size_t) 256 * 1024)
#define QUEUE_BLOCKS     16

typedef struct Queue Queue;

/** queue_new() - Return: 0, -ENOMEM, or -errno of the thread library. */
int queue_new(Queue **ret);
/** queue_free() - both threads must be through with it. Return: NULL. */
Queue *queue_free(Queue *q);
DEFINE_CLEANUP(Queue *, queue_free)

/** queue_write() - add bytes; waits while the queue is full
 * Return: 0; -EPIPE = the reader is gone. */
int queue_write(Queue *q, const void *data, size_t n);
/** queue_finish() - no more bytes will come. The reader gets what is left, then the end. */
void queue_finish(Queue *q);
/** queue_abort() - give up: the reader gets -ECANCELED at once, whatever is still queued */
void queue_abort(Queue *q);

/** queue_read() - the next block; the one before is given back
 * @ret_data: valid until the next queue_read() or queue_close()
 * Return: 1 a block; 0 the end; -ECANCELED the writer gave up. */
int queue_read(Queue *q, const void **ret_data, size_t *ret_n);
/** queue_close() - the reader wants no more; writes fail from now on */
void queue_close(Queue *q);
