/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as something packed: the decoders end, and cutting the input in two changes nothing. */
#include "importer/filter.h"

#define OUTPUT_MAX ((size_t) 4 * 1024 * 1024)

/* Counts and adds up what comes out, and has enough at some point. */
typedef struct Meter {
        Stage stage;
        size_t *n;
        uint64_t *sum;
} Meter;

static int meter_push(Stage *s, const void *data, size_t n, Error *e) {
        Meter *m = (Meter *) s;
        const uint8_t *p = data;

        for (size_t i = 0; i < n && *m->n < OUTPUT_MAX; i++, (*m->n)++)
                *m->sum = *m->sum * 31 + p[i];
        return *m->n < OUTPUT_MAX ? 0 : error_set(e, EFBIG, "enough");
}

static int meter_end(Stage *s, Error *e) {
        return 0;
}

static void meter_free(Stage *s) {
        free(s);
}

static const StageOps meter_ops = { .push = meter_push, .end = meter_end, .free = meter_free };

static int run(const uint8_t *data, size_t size, size_t cut, size_t *n, uint64_t *sum) {
        _cleanup_(stage_freep) Stage *chain = NULL;
        Meter *m = calloc(1, sizeof *m);
        Error e = {};
        int r;

        assert_se(m);
        *m = (Meter){ .stage = { .ops = &meter_ops }, .n = n, .sum = sum };
        assert_se(filter_detect_new(&m->stage, &chain, NULL) >= 0);
        r = stage_push(chain, data, cut, &e);
        if (r >= 0)
                r = stage_push(chain, data + cut, size - cut, &e);
        if (r >= 0)
                r = stage_end(chain, &e);
        assert_se(r >= 0 || (e.code == r && e.text[0] && !strchr(e.text, '\n')));
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t n[2] = {};
        uint64_t sum[2] = {};

        if (size > 64 * 1024)
                return 0;
        int a = run(data, size, 0, n, sum), b = run(data, size, size / 2, n + 1, sum + 1);

        /* What a decoder hands out before it finds out is its own affair. */
        assert_se(a == b);
        assert_se(a < 0 || (n[0] == n[1] && sum[0] == sum[1]));
        return 0;
}
