/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of the verity protection of an image: the root hash, its signature, and where the hash
 * tree is. Read from options, from the image's extended attributes and from files beside it; whether
 * the image may be used with that, or without, is the policy's business. */
#pragma once

#include "base/id128.h"
#include "base/text.h"
#include "image/designator.h"

#define ROOT_HASH_MIN      16 /* bytes */
#define ROOT_HASH_MAX      64
#define ROOT_HASH_TEXT_MAX (2 * ROOT_HASH_MAX + 1)
#define SIGNATURE_SIZE_MAX (64 * 1024)

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

/** signature_check() - check what "--root-hash-sig=" is given: an absolute path, or "base64:…"
 * Return: 0; -EINVAL. */
int signature_check(const char *text, Error *e);

/* What the user says of it; NULL and zero = look for it. */
typedef struct VerityOptions {
        RootHash root_hash;
        const char *signature; /* path or "base64:…" */
        const char *tree;      /* path of the hash tree */
} VerityOptions;

typedef struct Verity {
        PartitionDesignator designator; /* PARTITION_ROOT or _USR: whose hash it is */
        RootHash root_hash;             /* none = nothing is known; a partition may tell */
        Buf signature;     /* DER of a PKCS#7 over the root hash as text; empty = none */
        int tree_fd;       /* the hash tree beside the image; -EBADF = in the image */
        bool is_asked;     /* the user gave some of it: without verity it is no go */
        bool use_embedded; /* partitions of the image count */
} Verity;

#define VERITY_NULL ((Verity){ .tree_fd = -EBADF })

void verity_done(Verity *v);
/** verity_read() - find out what is known of an image's protection
 *
 * Looked for in this order: the options; the attribute "user.verity.roothash" of the image; IMAGE.roothash
 * beside it, IMAGE being its path without ".raw"; then the same for "usrhash". A signature is in
 * IMAGE.roothash.p7s (or .usrhash.p7s), the tree in IMAGE.verity. Block devices have nothing beside them.
 * $SYSTEMD_DISSECT_VERITY_SIDECAR, _EMBEDDED and _SIGNATURE set to "no" switch off what they name.
 * @path:      of the image
 * @image_fd:  the image itself
 * @ret:       VERITY_NULL before
 * Return: 0; -errno for what is there and makes no sense. */
int verity_read(const char *path, int image_fd, const VerityOptions *options, Verity *ret,
                Error *e);
