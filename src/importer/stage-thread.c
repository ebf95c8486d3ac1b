/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread of a stage, see stage-thread.h. What it does is the stage's. */
#include "importer/stage-thread.h"

static void *thread_main(void *p) {
        StageThread *t = p;

        t->result = t->run(t, &t->error);
        queue_close(t->queue);
        return NULL;
}

int stage_thread_start(StageThread *t, int (*run)(StageThread *t, Error *e), Error *e) {
        int r = queue_new(&t->queue);

        if (r < 0)
                return error_set(e, r, "cannot make a queue: %m");
        t->run = run;
        r = pthread_create(&t->thread, NULL, thread_main, t);
        if (r > 0)
                return error_set(e, r, "cannot start a thread: %m");
        t->running = true;
        return 0;
}

/* Waits for the thread and says how it went. */
static int join(StageThread *t, Error *e) {
        if (t->running) {
                (void) pthread_join(t->thread, NULL);
                t->running = false;
        }
        if (t->result < 0 && e)
                *e = t->error;
        return t->result;
}

void stage_thread_done(StageThread *t) {
        if (t->running) {
                queue_abort(t->queue);
                (void) join(t, NULL);
        }
        t->queue = queue_free(t->queue);
}

int stage_thread_push(Stage *s, const void *data, size_t n, Error *e) {
        StageThread *t = (StageThread *) s;
        int r = queue_write(t->queue, data, n);

        if (r < 0) {
                int q = join(t, e);
                return q < 0 ? q : r;
        }
        return 0;
}

int stage_thread_end(Stage *s, Error *e) {
        StageThread *t = (StageThread *) s;

        queue_finish(t->queue);
        return join(t, e);
}
