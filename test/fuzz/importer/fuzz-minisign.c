/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a key, and as a signature of some text by that key or another. */
#include "importer/minisign.h"

/* The first line: how many bytes are of the key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        MinisignKey key = {};
        const MinisignKeys keys = { &key, 1 };
        MinisignSignature s;
        Error e = {};

        if (size < 1 || size > MINISIGN_MAX)
                return 0;
        size_t n = MIN((size_t) data[0], size - 1);
        const char *text = (const char *) data + 1;
        bool has_key = minisign_key_parse(text, n, &key) >= 0;
        text += n;
        n = size - 1 - n;
        int r = minisign_signature_parse(text, n, &s);
        assert_se(r < 0 || (s.comment >= text && s.comment + s.n_comment <= text + n));
        /* The key that it says it is by. */
        if (r >= 0 && !has_key)
                memcpy(key.id, s.id, sizeof key.id);
        int v = minisign_verify(&keys, "text", 4, text, n, &e);
        assert_se(v == 0 || (e.code == v && e.text[0]));
        assert_se(r >= 0 || v == -EBADMSG);
        return 0;
}
