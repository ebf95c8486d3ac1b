/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads over the pieces of a stream, see parallel.h. Knows no packing. */
#include "importer/parallel.h"

#include <pthread.h>
#include <sched.h>

#define RING (2 * PARALLEL_THREADS_MAX)

struct Parallel {
        ParallelOps ops;
        size_t input_max;
        void *shared;
        Stage *next;

        pthread_mutex_t lock;
        pthread_cond_t changed; /* anything below */

        /* Guarded by lock. Pieces [head, taken) are being unpacked, [taken, tail) wait; whose turn it is
         * is head. */
        uint64_t head, taken, tail;
        size_t input, output; /* bytes that wait */
        bool finished;        /* nothing more is going to come */
        bool handing;         /* somebody hands on the piece at head */
        bool stopped;         /* something failed, or nobody wants it any more */
        int result;
        Error error;

        Chunk ring[RING];
        pthread_t threads[PARALLEL_THREADS_MAX];
        size_t n_threads;
};

static void lock(Parallel *p) {
        (void) pthread_mutex_lock(&p->lock);
}

static void unlock(Parallel *p) {
        (void) pthread_mutex_unlock(&p->lock);
}

/* With the lock held. */
static void wait_change(Parallel *p) {
        (void) pthread_cond_wait(&p->changed, &p->lock);
}

static void tell_change(Parallel *p) {
        (void) pthread_cond_broadcast(&p->changed);
}

static int given_up(Error *e) {
        return error_set(e, ECANCELED, "given up");
}

int parallel_wait_turn(Parallel *p, Chunk *c, Error *e) {
        lock(p);
        while (p->head != c->index && !p->stopped)
                wait_change(p);
        bool stopped = p->stopped;
        unlock(p);
        return stopped ? given_up(e) : 0;
}

/* Frees what came out of @c before its turn. */
static void drop_output(Parallel *p, Chunk *c) {
        lock(p);
        p->output -= c->size_out;
        tell_change(p);
        unlock(p);
        free(c->out);
        c->out = NULL;
        c->n_out = c->size_out = 0;
}

int parallel_discard(Parallel *p, Chunk *c) {
        if (c->n_out == SIZE_MAX)
                return -EBUSY;
        drop_output(p, c);
        return 0;
}

/* In its turn: hands on what waited. From now on there is nothing to wait for. */
static int flush(Parallel *p, Chunk *c, Error *e) {
        if (c->n_out == SIZE_MAX)
                return 0;

        int r = stage_push(p->next, c->out, c->n_out, e);
        drop_output(p, c);
        c->n_out = SIZE_MAX;
        return r;
}

/* Makes room for @n more bytes of output, if that may wait. Return: 1 it may; 0 its turn has to come
 * first; -ENOMEM. */
static int reserve(Parallel *p, Chunk *c, size_t n) {
        size_t size = c->size_out;

        if (c->n_out + n <= size)
                return 1;
        size = MAX(size * 2, (c->n_out + n + 0xffff) & ~(size_t) 0xffff);

        lock(p);
        bool fits = p->head != c->index && p->output + size - c->size_out <= PARALLEL_OUTPUT_MAX;
        if (fits)
                p->output += size - c->size_out;
        unlock(p);
        if (!fits)
                return 0;

        uint8_t *out = realloc(c->out, size);
        if (!out) {
                lock(p);
                p->output -= size - c->size_out;
                unlock(p);
                return -ENOMEM;
        }
        c->out = out;
        c->size_out = size;
        return 1;
}

int parallel_emit(Parallel *p, Chunk *c, const void *data, size_t n, Error *e) {
        if (n == 0)
                return 0;
        if (c->n_out != SIZE_MAX) {
                int r = reserve(p, c, n);
                if (r < 0)
                        return error_oom(e);
                if (r > 0) {
                        memcpy(c->out + c->n_out, data, n);
                        c->n_out += n;
                        return 0;
                }
                r = parallel_wait_turn(p, c, e);
                if (r >= 0 && p->ops.counts && !p->ops.counts(p->shared))
                        return -EAGAIN;
                if (r >= 0)
                        r = flush(p, c, e);
                if (r < 0)
                        return r;
        }
        return stage_push(p->next, data, n, e);
}

void parallel_replace(Parallel *p, Chunk *c, uint8_t *data, size_t n) {
        lock(p);
        p->input += n;
        p->input -= c->n;
        tell_change(p);
        unlock(p);
        free(c->data);
        c->data = data;
        c->n = n;
}

/* In its turn. */
static int finish(Parallel *p, void *state, Chunk *c, Error *e) {
        int r = c->result;

        if (r < 0 && e)
                *e = c->error;
        if (r >= 0 && p->ops.finish && !state)
                r = error_oom(e);
        else if (r >= 0 && p->ops.finish)
                r = p->ops.finish(p, state, p->shared, c, e);
        if (r >= 0)
                r = flush(p, c, e);
        if (c->n_out != SIZE_MAX)
                drop_output(p, c);
        free(c->data);
        c->data = NULL;
        return r;
}

/* Hands on what is through, as long as it is the turn of such a piece. Its turn is over when that is done: until then
 * nobody else gets here. With the lock held. */
static void hand_on(Parallel *p, void *state) {
        while (!p->handing && !p->stopped && p->head < p->taken && p->ring[p->head % RING].ready) {
                Chunk *c = p->ring + p->head % RING;
                Error e = {};

                p->handing = true;
                unlock(p);
                int r = finish(p, state, c, &e);
                lock(p);
                p->handing = false;
                if (r < 0 && !p->stopped) {
                        p->stopped = true;
                        p->result = r;
                        p->error = e;
                }
                p->input -= c->n;
                p->head++;
                tell_change(p);
        }
}

/* Return: the next piece to unpack, or NULL at the end. */
static Chunk *take(Parallel *p) {
        Chunk *c = NULL;

        lock(p);
        while (p->taken == p->tail && !p->finished && !p->stopped)
                wait_change(p);
        if (p->taken < p->tail && !p->stopped)
                c = p->ring + p->taken++ % RING;
        unlock(p);
        return c;
}

static void *thread_main(void *argument) {
        Parallel *p = argument;
        void *state = calloc(1, MAX(p->ops.state_size, (size_t) 1));
        Chunk *c;

        while ((c = take(p))) {
                c->result = state ? p->ops.decode(p, state, p->shared, c, &c->error)
                                  : error_oom(&c->error);
                lock(p);
                c->ready = true;
                hand_on(p, state);
                unlock(p);
        }
        if (state && p->ops.close)
                p->ops.close(state);
        free(state);
        return NULL;
}

int parallel_new(const ParallelOps *ops, void *shared, Stage *next, Parallel **ret, Error *e) {
        Parallel *p = calloc(1, sizeof *p);
        cpu_set_t set;

        if (!p)
                return error_oom(e);
        p->ops = *ops;
        p->shared = shared;
        p->next = next;
        (void) pthread_mutex_init(&p->lock, NULL);
        (void) pthread_cond_init(&p->changed, NULL);

        int n = sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);
        if (ops->processors_max > 0)
                n = MIN(n, (int) ops->processors_max);
        n = MIN(ops->threads > 0 ? (int) MIN(ops->threads, 1000u) : MAX(n, 1),
                PARALLEL_THREADS_MAX);
        p->input_max = PARALLEL_INPUT_MAX;
        if (ops->chunk_size > 0)
                p->input_max = MAX(ops->chunk_size * ((size_t) n + 1),
                                   MIN(ops->chunk_size * (2 * (size_t) n + 1),
                                       PARALLEL_CHUNKS_MAX));
        while (p->n_threads < (size_t) n) {
                int r = pthread_create(p->threads + p->n_threads, NULL, thread_main, p);
                if (r > 0 && p->n_threads == 0) {
                        (void) parallel_free(p);
                        return error_set(e, r, "cannot start a thread: %m");
                }
                if (r > 0)
                        break;
                p->n_threads++;
        }
        *ret = p;
        return 0;
}

Parallel *parallel_free(Parallel *p) {
        if (!p)
                return NULL;
        lock(p);
        p->stopped = true;
        tell_change(p);
        unlock(p);
        for (size_t i = 0; i < p->n_threads; i++)
                (void) pthread_join(p->threads[i], NULL);
        for (size_t i = 0; i < RING; i++) {
                free(p->ring[i].data);
                free(p->ring[i].out);
        }
        (void) pthread_cond_destroy(&p->changed);
        (void) pthread_mutex_destroy(&p->lock);
        free(p);
        return NULL;
}

/* With the lock held. */
static int result(const Parallel *p, Error *e) {
        if (p->result < 0 && e)
                *e = p->error;
        return p->result;
}

int parallel_submit(Parallel *p, Chunk *c, Error *e) {
        int r = 0;

        lock(p);
        while (!p->stopped && p->tail != p->head &&
               (p->tail - p->head == RING || p->input + c->n > p->input_max))
                wait_change(p);
        if (p->stopped) {
                free(c->data);
                r = result(p, e);
        } else {
                c->index = p->tail++;
                p->input += c->n;
                p->ring[c->index % RING] = *c;
                tell_change(p);
        }
        unlock(p);
        *c = (Chunk){};
        return r;
}

int parallel_finish(Parallel *p, Error *e) {
        lock(p);
        while (!p->stopped && p->head != p->tail)
                wait_change(p);
        int r = result(p, e);
        unlock(p);
        return r;
}
