/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits that begin anywhere, see bits.h. Knows nothing of what they mean. */
#include "importer/bits.h"

uint64_t bits_at(const uint8_t *p, uint64_t at, unsigned n) {
        uint64_t v = 0;

        for (unsigned i = 0; i < n; i += 8) {
                const uint8_t *b = p + (at + i) / 8;
                unsigned shift = at % 8, k = MIN(8u, n - i);
                unsigned two = (unsigned) b[0] << 8;

                if (shift + k > 8)
                        two |= b[1];
                v = v << k | ((two >> (16 - shift - k)) & ((1u << k) - 1));
        }
        return v;
}

int bits_append(Bits *to, const uint8_t *p, uint64_t at, uint64_t n) {
        unsigned left = (unsigned) (to->n % 8), shift = (unsigned) (at % 8);
        size_t bytes = (size_t) ((n + 7) / 8);

        if (buf_reserve(&to->bytes, bytes + 1) < 0)
                return -ENOMEM;
        uint8_t *out = (uint8_t *) to->bytes.p + to->n / 8;
        p += at / 8;
        uint8_t last = left > 0 ? (uint8_t) (out[0] & (0xff00 >> left)) : 0;
        for (uint64_t i = 0; i < n; i += 8, p++) {
                unsigned v = (unsigned) p[0] << shift;

                if (shift > 0 && shift + MIN(n - i, (uint64_t) 8) > 8)
                        v |= (unsigned) p[1] >> (8 - shift);
                v &= 0xff;
                *out++ = (uint8_t) (last | v >> left);
                last = (uint8_t) (v << (8 - left));
        }
        if (left > 0)
                *out = last;
        to->n += n;
        to->bytes.n = (size_t) ((to->n + 7) / 8);
        return 0;
}
