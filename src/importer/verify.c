/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Digest of what runs through the chain, see verify.h. Where the expected digest comes from, and whether
 * it can be trusted, is the caller's business. */
#include "importer/verify.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

typedef struct Verify {
        Stage stage;
        EVP_MD_CTX *digest;
        DigestType type;
        bool has_expected;
        Digest expected;
        Digest *ret_found;
} Verify;

static int fail(const Verify *v, Error *e) {
        return error_set(e, EIO, "cannot compute a %s", digest_name(v->type));
}

static int verify_push(Stage *s, const void *data, size_t n, Error *e) {
        Verify *v = (Verify *) s;

        if (EVP_DigestUpdate(v->digest, data, n) != 1)
                return fail(v, e);
        return s->next ? stage_push(s->next, data, n, e) : 0;
}

static int verify_end(Stage *s, Error *e) {
        Verify *v = (Verify *) s;
        Digest found = { .type = v->type };
        char text[2 * DIGEST_SIZE_MAX + 1];

        if (EVP_DigestFinal_ex(v->digest, found.bytes, NULL) != 1)
                return fail(v, e);
        if (v->has_expected && !digest_is_equal(&found, &v->expected))
                return error_set(e, EBADMSG, "the %s of what came is %s, not the expected one",
                                 digest_name(v->type), digest_format(&found, text));
        if (v->ret_found)
                *v->ret_found = found;
        return s->next ? stage_end(s->next, e) : 0;
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

int verify_new(const Digest *expected, Digest *ret_found, Stage *next, Stage **ret, Error *e) {
        Verify *v = calloc(1, sizeof *v);

        if (!v) {
                (void) stage_free(next);
                return error_oom(e);
        }
        v->stage = (Stage){ .ops = &verify_ops, .next = next };
        v->ret_found = ret_found;
        v->has_expected = expected && !expected->is_any;
        if (expected)
                v->expected = *expected;
        v->type = expected ? expected->type : DIGEST_SHA256;

        _cleanup_(stage_freep) Stage *owned = &v->stage;
        /* The host's configuration of the library is of no interest, and not readable here. */
        (void) OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        v->digest = EVP_MD_CTX_new();
        const EVP_MD *how = digest_function(v->type);
        if (!v->digest || EVP_DigestInit_ex(v->digest, how, NULL) != 1)
                return fail(v, e);

        *ret = TAKE_PTR(owned);
        return 0;
}
