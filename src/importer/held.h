/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a stream that came and were not handed out yet: added at the end, taken from the front. */
#pragma once

#include "base/text.h"

typedef struct Held {
        Buf buf;
        size_t from;     /* what was taken is not moved out at once */
        uint64_t offset; /* of the stream, of the first byte that is held */
} Held;

static inline size_t held_n(const Held *h) {
        return h->buf.n - h->from;
}

/* Valid until bytes are added. NULL if none ever were. */
static inline const uint8_t *held_p(const Held *h) {
        return h->buf.p ? (const uint8_t *) h->buf.p + h->from : NULL;
}

static inline int held_append(Held *h, const void *data, size_t n) {
        if (h->from > 0) {
                h->buf.n -= h->from;
                memmove(h->buf.p, h->buf.p + h->from, h->buf.n);
                h->from = 0;
        }
        return buf_append(&h->buf, data, n);
}

static inline void held_drop(Held *h, size_t n) {
        h->from += n;
        h->offset += n;
}

static inline void held_done(Held *h) {
        buf_done(&h->buf);
}
