/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stage that works in a thread of its own: what is pushed waits in a bounded queue, what the thread
 * returns comes out of the next push or of the end. To be the first member of the stage's type. */
#pragma once

#include <pthread.h>

#include "importer/queue.h"
#include "importer/stage.h"

typedef struct StageThread {
        Stage stage;
        Queue *queue; /* what was pushed; the thread reads it */
        pthread_t thread;
        bool running;
        int (*run)(struct StageThread *t, Error *e);
        int result;  /* of the thread, once it ended */
        Error error; /* likewise */
} StageThread;

/** stage_thread_start() - begin
 * @run:  the work; reads t->queue until it ends or until it needs no more
 * Return: 0 or -errno; then stage_thread_done() still has to be called. */
int stage_thread_start(StageThread *t, int (*run)(StageThread *t, Error *e), Error *e);
/** stage_thread_done() - end the thread, whatever it is at, and free what it needed */
void stage_thread_done(StageThread *t);

/** stage_thread_push() - StageOps.push of such a stage */
int stage_thread_push(Stage *s, const void *data, size_t n, Error *e);
/** stage_thread_end() - StageOps.end of such a stage: waits until the thread is through */
int stage_thread_end(Stage *s, Error *e);
