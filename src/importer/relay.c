/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread between two stages, see relay.h. */
#include "importer/relay.h"

#include "importer/stage-thread.h"

static int relay_run(StageThread *t, Error *e) {
        for (;;) {
                const void *data;
                size_t n;
                int r = queue_read(t->queue, &data, &n);

                if (r > 0)
                        r = stage_push(t->stage.next, data, n, e);
                else if (r == 0)
                        return stage_end(t->stage.next, e);
                if (r < 0)
                        return r;
        }
}

static void relay_free(Stage *s) {
        StageThread *t = (StageThread *) s;

        stage_thread_done(t);
        free(t);
}

static const StageOps relay_ops = {
        .push = stage_thread_push,
        .end = stage_thread_end,
        .free = relay_free,
};

int relay_new(Stage *next, Stage **ret, Error *e) {
        _cleanup_(stage_freep) Stage *owned = next;
        StageThread *t = calloc(1, sizeof *t);

        if (!t)
                return error_oom(e);
        t->stage = (Stage){ .ops = &relay_ops, .next = TAKE_PTR(owned) };
        owned = &t->stage;

        int r = stage_thread_start(t, relay_run, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(owned);
        return 0;
}
