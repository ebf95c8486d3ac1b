/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Digest of what runs through the chain, see verify.h. Where the expected digest comes from, and whether
 * it can be trusted, is the caller's business. */
#include "importer/verify.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/text.h"

typedef struct Verify {
        Stage stage;
        EVP_MD_CTX *digest;
        uint8_t expected[VERIFY_SHA256_SIZE];
} Verify;

int verify_parse_sha256(const char *text, uint8_t ret[static VERIFY_SHA256_SIZE]) {
        return hex_parse(text, ret, VERIFY_SHA256_SIZE);
}

static int verify_push(Stage *s, const void *data, size_t n, Error *e) {
        Verify *v = (Verify *) s;

        if (EVP_DigestUpdate(v->digest, data, n) != 1)
                return error_set(e, EIO, "cannot compute a SHA-256");
        return stage_push(s->next, data, n, e);
}

static int verify_end(Stage *s, Error *e) {
        Verify *v = (Verify *) s;
        uint8_t found[VERIFY_SHA256_SIZE];
        char text[2 * VERIFY_SHA256_SIZE + 1];

        if (EVP_DigestFinal_ex(v->digest, found, NULL) != 1)
                return error_set(e, EIO, "cannot compute a SHA-256");
        if (memcmp(found, v->expected, sizeof found) == 0)
                return stage_end(s->next, e);

        for (size_t i = 0; i < sizeof found; i++)
                (void) snprintf(text + 2 * i, 3, "%02x", found[i]);
        return error_set(e, EBADMSG, "the SHA-256 of the archive is %s, not the expected one",
                         text);
}

static void verify_free(Stage *s) {
        EVP_MD_CTX_free(((Verify *) s)->digest);
        free(s);
}

static const StageOps verify_ops = {
        .push = verify_push,
        .end = verify_end,
        .free = verify_free,
};

int verify_new(const uint8_t expected[static VERIFY_SHA256_SIZE], Stage *next, Stage **ret,
               Error *e) {
        Verify *v = calloc(1, sizeof *v);

        if (!v) {
                (void) stage_free(next);
                return error_oom(e);
        }
        v->stage = (Stage){ .ops = &verify_ops, .next = next };
        memcpy(v->expected, expected, sizeof v->expected);

        _cleanup_(stage_freep) Stage *owned = &v->stage;
        /* The host's configuration of the library is of no interest, and not readable here. */
        (void) OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        v->digest = EVP_MD_CTX_new();
        if (!v->digest || EVP_DigestInit_ex(v->digest, EVP_sha256(), NULL) != 1)
                return error_set(e, EIO, "cannot compute a SHA-256");

        *ret = TAKE_PTR(owned);
        return 0;
}
