/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The limit on what packed bytes may become, see ratio.h. */
#include "importer/ratio.h"

typedef struct Ratio {
        Stage stage;
        unsigned max;
        uint64_t out;
        _Atomic uint64_t in;
} Ratio;

static int ratio_push(Stage *stage, const void *data, size_t n, Error *e) {
        Ratio *s = (Ratio *) stage;
        uint64_t in = atomic_load_explicit(&s->in, memory_order_relaxed);

        s->out += n;
        if (s->out > RATIO_FREE_BYTES && s->out / s->max > in)
                return error_set(e, EFBIG,
                                 "the archive is unpacked to more than %u times its size, "
                                 "at byte %llu (see --max-ratio=)",
                                 s->max, (unsigned long long) in);
        return stage_push(stage->next, data, n, e);
}

static int ratio_end(Stage *stage, Error *e) {
        return stage_end(stage->next, e);
}

static void ratio_free(Stage *stage) {
        free(stage);
}

static const StageOps ratio_ops = { .push = ratio_push, .end = ratio_end, .free = ratio_free };

int ratio_new(unsigned max, Stage *next, _Atomic uint64_t **ret_in, Stage **ret, Error *e) {
        Ratio *s = calloc(1, sizeof *s);

        if (!s) {
                (void) stage_free(next);
                return error_oom(e);
        }
        *s = (Ratio){ .stage = { .ops = &ratio_ops, .next = next }, .max = max };
        *ret_in = &s->in;
        *ret = &s->stage;
        return 0;
}
