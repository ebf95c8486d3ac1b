/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain of stages, see stage.h. Knows no format and no thread. */
#include "importer/stage.h"

int stage_push(Stage *s, const void *data, size_t n, Error *e) {
        return n == 0 ? 0 : s->ops->push(s, data, n, e);
}

int stage_zeroes(Stage *s, uint64_t n, Error *e) {
        static const char zeroes[64 * 1024];
        int r = 0;

        if (s->ops->zeroes)
                return n > 0 ? s->ops->zeroes(s, n, e) : 0;
        while (n > 0 && r >= 0) {
                size_t k = (size_t) MIN(n, (uint64_t) sizeof zeroes);

                r = s->ops->push(s, zeroes, k, e);
                n -= k;
        }
        return r;
}

int stage_end(Stage *s, Error *e) {
        return s->ops->end(s, e);
}

Stage *stage_free(Stage *s) {
        while (s) {
                Stage *next = s->next;

                /* Front to back: a thread that pushes into @next is gone before @next is. */
                s->ops->free(s);
                s = next;
        }
        return NULL;
}
