/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Digests as text, see digest.h. They are computed in verify.c. */
#include "importer/digest.h"

#include <openssl/evp.h>

#include "base/text.h"

static const struct {
        const char *name, *prefix;
        size_t size;
} types[] = {
        [DIGEST_SHA256] = { "SHA-256", "sha256:", 32 },
        [DIGEST_SHA512] = { "SHA-512", "sha512:", 64 },
        [DIGEST_BLAKE2B] = { "BLAKE2b", NULL, 64 },
};

size_t digest_size(DigestType t) {
        return types[t].size;
}

const EVP_MD *digest_function(DigestType t) {
        return t == DIGEST_SHA256   ? EVP_sha256()
               : t == DIGEST_SHA512 ? EVP_sha512()
                                    : EVP_blake2b512();
}

const char *digest_name(DigestType t) {
        return types[t].name;
}

int digest_parse_hex(const char *s, size_t n, Digest *ret) {
        char text[2 * DIGEST_SIZE_MAX + 1];

        for (int t = 0; t < _DIGEST_TYPE_MAX; t++)
                if (types[t].prefix && n == 2 * types[t].size) {
                        Digest d = { .type = (DigestType) t };

                        memcpy(text, s, n);
                        text[n] = '\0';
                        if (hex_parse(text, d.bytes, types[t].size) < 0)
                                return -EINVAL;
                        *ret = d;
                        return 0;
                }
        return -EINVAL;
}

int digest_parse(const char *text, Digest *ret) {
        Digest d;

        for (int t = 0; t < _DIGEST_TYPE_MAX; t++) {
                const char *rest = types[t].prefix ? str_skip_prefix(text, types[t].prefix) : NULL;
                if (rest) {
                        if (digest_parse_hex(rest, strlen(rest), &d) < 0 ||
                            d.type != (DigestType) t)
                                return -EINVAL;
                        *ret = d;
                        return 0;
                }
        }
        return digest_parse_hex(text, strlen(text), ret);
}

const char *digest_format(const Digest *d, char ret[static 2 * DIGEST_SIZE_MAX + 1]) {
        ret[0] = '\0';
        for (size_t i = 0; i < types[d->type].size; i++)
                (void) snprintf(ret + 2 * i, 3, "%02x", d->bytes[i]);
        return ret;
}

bool digest_is_equal(const Digest *a, const Digest *b) {
        return a->type == b->type && memcmp(a->bytes, b->bytes, types[a->type].size) == 0;
}
