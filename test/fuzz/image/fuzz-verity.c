/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Root hashes and signatures as text: what is accepted as a root hash can be written and read back. */
#include "image/verity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char again[ROOT_HASH_TEXT_MAX];
        _cleanup_free_ char *text = NULL;
        RootHash a, b;

        if (size > 4096)
                return 0;
        text = strndup((const char *) data, size);
        assert_se(text);
        (void) signature_check(text, NULL);
        if (root_hash_parse(text, &a) < 0)
                return 0;
        assert_se(root_hash_parse(root_hash_format(&a, again), &b) == 0);
        assert_se(a.n == b.n && memcmp(a.bytes, b.bytes, a.n) == 0);
        return 0;
}
