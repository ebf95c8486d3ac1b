/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SipHash-2-4 after the paper of Aumasson and Bernstein; in libc only as an internal. */
#include "base/siphash.h"

#include <endian.h>

static uint64_t rotl(uint64_t x, int n) {
        return x << n | x >> (64 - n);
}

static void sip_rounds(uint64_t v[static 4], int n) {
        for (; n > 0; n--) {
                v[0] += v[1];
                v[1] = rotl(v[1], 13) ^ v[0];
                v[0] = rotl(v[0], 32);
                v[2] += v[3];
                v[3] = rotl(v[3], 16) ^ v[2];
                v[0] += v[3];
                v[3] = rotl(v[3], 21) ^ v[0];
                v[2] += v[1];
                v[1] = rotl(v[1], 17) ^ v[2];
                v[2] = rotl(v[2], 32);
        }
}

static uint64_t read_le64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof v);
        return le64toh(v);
}

uint64_t siphash24(const void *data, size_t n, const uint8_t key[static 16]) {
        const uint8_t *p = data;
        uint64_t k0 = read_le64(key), k1 = read_le64(key + 8);
        uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                          k1 ^ 0x7465646279746573 };
        uint64_t last = (uint64_t) n << 56;

        for (; n >= 8; n -= 8, p += 8) {
                uint64_t m = read_le64(p);
                v[3] ^= m;
                sip_rounds(v, 2);
                v[0] ^= m;
        }
        for (size_t i = 0; i < n; i++)
                last |= (uint64_t) p[i] << (8 * i);

        v[3] ^= last;
        sip_rounds(v, 2);
        v[0] ^= last;
        v[2] ^= 0xff;
        sip_rounds(v, 4);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}
