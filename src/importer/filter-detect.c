/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses the filter by the first bytes of the stream, see filter.h. What the bytes mean is known to
 * format.c, how to unpack them to the filter-*.c files. */
#include "importer/filter.h"

#include "importer/format.h"
#include "importer/ratio.h"

typedef struct Detect {
        Stage stage;
        unsigned char head[FORMAT_MAGIC_MAX];
        size_t n;
        unsigned max_ratio;
        _Atomic uint64_t *in; /* bytes that came, for the limit; NULL = there is none */
        bool decided; /* stage.next is now the filter, or what follows it if none is needed */
} Detect;

static int decide(Detect *d, Error *e) {
        static int (*const makers[_FORMAT_MAX])(Stage *, Stage **, Error *) = {
                [FORMAT_GZIP] = filter_gzip_new, [FORMAT_BZIP2] = filter_bzip2_new,
                [FORMAT_XZ] = filter_xz_new,     [FORMAT_ZSTD] = filter_zstd_new,
                [FORMAT_LZ4] = filter_lz4_new,
        };
        int f = format_detect(d->head, d->n);

        if (f < 0)
                return error_set(e, f,
                                 "the archive is packed in a way that is not supported "
                                 "(gzip, bzip2, xz, zstd and lz4 are)");
        if (makers[f] && d->max_ratio > 0) {
                int r = ratio_new(d->max_ratio, TAKE_PTR(d->stage.next), &d->in, &d->stage.next, e);
                if (r < 0)
                        return r;
                atomic_store(d->in, d->n);
        }
        if (makers[f]) {
                int r = makers[f](TAKE_PTR(d->stage.next), &d->stage.next, e);
                if (r < 0)
                        return r;
        }
        d->decided = true;
        return stage_push(d->stage.next, d->head, d->n, e);
}

static int detect_push(Stage *s, const void *data, size_t n, Error *e) {
        Detect *d = (Detect *) s;
        const char *p = data;

        if (!d->decided) {
                size_t k = MIN(n, sizeof d->head - d->n);

                memcpy(d->head + d->n, p, k);
                d->n += k;
                p += k;
                n -= k;
                if (d->n < sizeof d->head)
                        return 0;

                int r = decide(d, e);
                if (r < 0)
                        return r;
        }
        if (d->in)
                (void) atomic_fetch_add_explicit(d->in, n, memory_order_relaxed);
        return stage_push(s->next, p, n, e);
}

static int detect_end(Stage *s, Error *e) {
        Detect *d = (Detect *) s;

        if (d->n == 0)
                return error_set(e, ENODATA, "the archive is empty");
        if (!d->decided) {
                int r = decide(d, e);
                if (r < 0)
                        return r;
        }
        return stage_end(s->next, e);
}

static void detect_free(Stage *s) {
        free(s);
}

static const StageOps detect_ops = {
        .push = detect_push,
        .end = detect_end,
        .free = detect_free,
};

int filter_detect_new(Stage *next, Stage **ret, Error *e) {
        return filter_detect_limited_new(0, next, ret, e);
}

int filter_detect_limited_new(unsigned max_ratio, Stage *next, Stage **ret, Error *e) {
        Detect *d = calloc(1, sizeof *d);

        if (!d) {
                (void) stage_free(next);
                return error_oom(e);
        }
        d->stage = (Stage){ .ops = &detect_ops, .next = next };
        d->max_ratio = max_ratio;
        *ret = &d->stage;
        return 0;
}
