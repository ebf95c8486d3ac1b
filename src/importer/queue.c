/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue between two stages that run in threads of their own, see queue.h. */
#include "importer/queue.h"

#include <pthread.h>

typedef struct Block {
        size_t n;
        char *data;
} Block;

struct Queue {
        pthread_mutex_t lock;
        pthread_cond_t readable, writable;

        /* Guarded by lock. Blocks [head, head + filled) are the reader's, the rest the writer's; the
         * writer gathers in the first of its own. */
        size_t head, filled;
        bool finished, aborted, closed;

        Block blocks[QUEUE_BLOCKS];
        bool reading; /* reader only: it holds the block at head */
};

int queue_new(Queue **ret) {
        _cleanup_(queue_freep) Queue *q = calloc(1, sizeof *q);

        if (!q)
                return -ENOMEM;
        (void) pthread_mutex_init(&q->lock, NULL);
        (void) pthread_cond_init(&q->readable, NULL);
        (void) pthread_cond_init(&q->writable, NULL);

        for (size_t i = 0; i < QUEUE_BLOCKS; i++) {
                q->blocks[i].data = malloc(QUEUE_BLOCK_SIZE);
                if (!q->blocks[i].data)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(q);
        return 0;
}

Queue *queue_free(Queue *q) {
        if (!q)
                return NULL;
        for (size_t i = 0; i < QUEUE_BLOCKS; i++)
                free(q->blocks[i].data);
        (void) pthread_cond_destroy(&q->writable);
        (void) pthread_cond_destroy(&q->readable);
        (void) pthread_mutex_destroy(&q->lock);
        free(q);
        return NULL;
}

/* The block the writer gathers in, once there is one; NULL = the reader is gone. */
static Block *writer_block(Queue *q) {
        Block *b = NULL;

        (void) pthread_mutex_lock(&q->lock);
        while (q->filled == QUEUE_BLOCKS && !q->closed)
                (void) pthread_cond_wait(&q->writable, &q->lock);
        if (!q->closed)
                b = q->blocks + (q->head + q->filled) % QUEUE_BLOCKS;
        (void) pthread_mutex_unlock(&q->lock);
        return b;
}

static void publish(Queue *q) {
        (void) pthread_mutex_lock(&q->lock);
        q->filled++;
        (void) pthread_cond_signal(&q->readable);
        (void) pthread_mutex_unlock(&q->lock);
}

int queue_write(Queue *q, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                Block *b = writer_block(q);
                if (!b)
                        return -EPIPE;

                size_t k = MIN(n, QUEUE_BLOCK_SIZE - b->n);
                memcpy(b->data + b->n, p, k);
                b->n += k;
                p += k;
                n -= k;
                if (b->n == QUEUE_BLOCK_SIZE)
                        publish(q);
        }
        return 0;
}

void queue_finish(Queue *q) {
        Block *b = writer_block(q);

        if (b && b->n > 0)
                publish(q);
        (void) pthread_mutex_lock(&q->lock);
        q->finished = true;
        (void) pthread_cond_signal(&q->readable);
        (void) pthread_mutex_unlock(&q->lock);
}

void queue_abort(Queue *q) {
        (void) pthread_mutex_lock(&q->lock);
        q->aborted = true;
        (void) pthread_cond_signal(&q->readable);
        (void) pthread_mutex_unlock(&q->lock);
}

int queue_read(Queue *q, const void **ret_data, size_t *ret_n) {
        int r = 0;

        (void) pthread_mutex_lock(&q->lock);
        if (q->reading) {
                q->blocks[q->head].n = 0;
                q->head = (q->head + 1) % QUEUE_BLOCKS;
                q->filled--;
                q->reading = false;
                /* A writer that had to wait is called when there is something to do for it. */
                if (q->filled == QUEUE_BLOCKS / 2)
                        (void) pthread_cond_signal(&q->writable);
        }
        while (q->filled == 0 && !q->finished && !q->aborted)
                (void) pthread_cond_wait(&q->readable, &q->lock);

        if (q->aborted)
                r = -ECANCELED;
        else if (q->filled > 0) {
                *ret_data = q->blocks[q->head].data;
                *ret_n = q->blocks[q->head].n;
                q->reading = true;
                r = 1;
        }
        (void) pthread_mutex_unlock(&q->lock);
        return r;
}

void queue_close(Queue *q) {
        (void) pthread_mutex_lock(&q->lock);
        q->closed = true;
        (void) pthread_cond_signal(&q->writable);
        (void) pthread_mutex_unlock(&q->lock);
}
