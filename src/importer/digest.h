/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stream of bytes is known by. */
#pragma once

#include "base/error.h"

#define DIGEST_SIZE_MAX 64

typedef enum DigestType {
        DIGEST_SHA256,
        DIGEST_SHA512,
        DIGEST_BLAKE2B, /* that of minisign; nobody is told to expect it */
        _DIGEST_TYPE_MAX,
} DigestType;

typedef struct Digest {
        DigestType type;
        uint8_t bytes[DIGEST_SIZE_MAX];
        bool is_any; /* what is expected is of that type, and judged once it is known */
} Digest;

/** digest_size() - bytes of a digest of that type */
size_t digest_size(DigestType t);
/** digest_name() - "SHA-256", "SHA-512" */
const char *digest_name(DigestType t);
/** digest_function() - how libcrypto computes it */
const struct evp_md_st *digest_function(DigestType t);
/** digest_parse() - 64 or 128 hexadecimal digits, which may stand behind "sha256:" or "sha512:"
 * Return: 0 or -EINVAL. */
int digest_parse(const char *text, Digest *ret);
/** digest_parse_hex() - the same of @n bytes, which are digits alone */
int digest_parse_hex(const char *s, size_t n, Digest *ret);
/** digest_format() - the digits, in a buffer of the caller's */
const char *digest_format(const Digest *d, char ret[static 2 * DIGEST_SIZE_MAX + 1]);
/** digest_is_equal() - whether they are the same */
bool digest_is_equal(const Digest *a, const Digest *b);
