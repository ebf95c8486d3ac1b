/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bits as a block of bzip2: what is taken for one ends, and is no more than a block can be. */
#include "base/error.h"
#include "importer/bzip2-block.h"

#define OUTPUT_MAX ((size_t) 900000 / 5 * BZIP2_RUN_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Bzip2Block *b;
        static uint8_t out[64 * 1024];
        size_t n, sum = 0;

        if (size < 2 || size > 64 * 1024 || (!b && bzip2_block_new(&b) < 0))
                return 0;
        /* The first byte says where it begins, where it ends and how large it may be. */
        unsigned at = data[0] & 7, less = data[0] >> 3 & 7;
        uint64_t bits = (uint64_t) (size - 1) * 8;
        if (bits < at + less)
                return 0;
        int r = bzip2_block_decode(b, data + 1, size - 1, at, bits - at - less,
                                   1 + (data[0] >> 6) * 2);
        assert_se(r == 0 || r == -EBADMSG || r == -EOPNOTSUPP);
        while (r >= 0 && (r = bzip2_block_read(b, out, sizeof out, &n)) > 0) {
                assert_se(n > 0 && n <= sizeof out);
                sum += n;
        }
        assert_se(sum <= OUTPUT_MAX);
        return 0;
}
