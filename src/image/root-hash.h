/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Root hashes of verity, and signatures of them, as text and as bytes. */
#pragma once

#include "base/id128.h"
#include "base/text.h"

#define ROOT_HASH_MIN      16 /* bytes */
#define ROOT_HASH_MAX      64
#define ROOT_HASH_TEXT_MAX (2 * ROOT_HASH_MAX + 1)
#define SIGNATURE_SIZE_MAX (16 * 1024)

typedef struct RootHash {
        uint8_t bytes[ROOT_HASH_MAX];
        size_t n; /* 0 = none */
} RootHash;

/** root_hash_parse() - from an even number of hex digits, 32 to 128. Return: 0 or -EINVAL. */
int root_hash_parse(const char *text, RootHash *ret);
/** root_hash_format() - lower-case hex digits. Return: @text. */
const char *root_hash_format(const RootHash *h, char text[static ROOT_HASH_TEXT_MAX]);
/** root_hash_partitions() - IDs of the two partitions that go with a root hash: they are its ends */
void root_hash_partitions(const RootHash *h, Id128 *ret_data, Id128 *ret_tree);

/** signature_parse() - bytes of a signature from Base64, in which there may be white space
 * @out: appended to
 * Return: 0; -EINVAL; -E2BIG more than SIGNATURE_SIZE_MAX; -ENOMEM. */
int signature_parse(const char *text, Buf *out);
/** signature_check() - check what "--root-hash-sig=" is given: an absolute path, or "base64:…"
 * Return: 0; -EINVAL. */
int signature_check(const char *text, Error *e);
