/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread between two stages, see relay.h. */
#include "importer/relay.h"

#include <pthread.h>

#include "importer/queue.h"

typedef struct Relay {
        Stage stage;
        Queue *queue;
        pthread_t thread;
        bool running;
        int result;  /* of the thread, once it ended */
        Error error; /* likewise */
} Relay;

static void *relay_thread(void *p) {
        Relay *f = p;

        for (;;) {
                const void *data;
                size_t n;
                int r = queue_read(f->queue, &data, &n);

                if (r > 0)
                        r = stage_push(f->stage.next, data, n, &f->error);
                else if (r == 0) {
                        f->result = stage_end(f->stage.next, &f->error);
                        break;
                }
                if (r < 0) {
                        f->result = r;
                        break;
                }
        }
        queue_close(f->queue);
        return NULL;
}

/* Waits for the thread and says how it went. */
static int relay_join(Relay *f, Error *e) {
        if (f->running) {
                (void) pthread_join(f->thread, NULL);
                f->running = false;
        }
        if (f->result < 0 && e)
                *e = f->error;
        return f->result;
}

static int relay_push(Stage *s, const void *data, size_t n, Error *e) {
        Relay *f = (Relay *) s;
        int r = queue_write(f->queue, data, n);

        if (r < 0) {
                int q = relay_join(f, e);
                return q < 0 ? q : r;
        }
        return 0;
}

static int relay_end(Stage *s, Error *e) {
        Relay *f = (Relay *) s;

        queue_finish(f->queue);
        return relay_join(f, e);
}

static void relay_free(Stage *s) {
        Relay *f = (Relay *) s;

        if (f->running) {
                queue_abort(f->queue);
                (void) pthread_join(f->thread, NULL);
        }
        (void) queue_free(f->queue);
        free(f);
}

static const StageOps relay_ops = {
        .push = relay_push,
        .end = relay_end,
        .free = relay_free,
};

int relay_new(Stage *next, Stage **ret, Error *e) {
        _cleanup_(stage_freep) Stage *owned = next;
        Relay *f = calloc(1, sizeof *f);
        int r;

        if (!f)
                return error_oom(e);
        f->stage = (Stage){ .ops = &relay_ops, .next = TAKE_PTR(owned) };
        owned = &f->stage;

        r = queue_new(&f->queue);
        if (r < 0)
                return error_set(e, r, "cannot make a queue: %m");
        r = pthread_create(&f->thread, NULL, relay_thread, f);
        if (r > 0)
                return error_set(e, r, "cannot start a thread: %m");
        f->running = true;

        *ret = TAKE_PTR(owned);
        return 0;
}
