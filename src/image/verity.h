/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of the verity protection of an image: the root hash, its signature, and where the hash
 * tree is. Read from options, from the image's extended attributes and from files beside it; whether
 * the image may be used with that, or without, is the policy's business. */
#pragma once

#include "image/dissection.h"

/* What the user says of it; NULL and zero = look for it. */
typedef struct VerityOptions {
        RootHash root_hash;
        const char *signature; /* path or "base64:…" */
        const char *tree;      /* path of the hash tree */
} VerityOptions;

typedef struct Verity {
        PartitionDesignator designator; /* PARTITION_ROOT or _USR: whose hash it is */
        RootHash root_hash;             /* none = nothing is known; a partition may tell */
        Buf signature;           /* DER of a PKCS#7 over the root hash as text; empty = none */
        int tree_fd;             /* the hash tree beside the image; -EBADF = in the image */
        bool is_asked;           /* the user gave some of it: without verity it is no go */
        bool signature_is_asked; /* likewise */
        bool use_signature;      /* that of a partition counts */
        bool use_embedded;       /* partitions of the image count */
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
/** verity_embed() - add what the image itself says, in a signature partition
 *
 * Where no root hash is known yet, the one whose data partition the image has; else a signature of the one
 * that is known. Does nothing where partitions do not count.
 * Return: 0 or -ENOMEM. */
int verity_embed(Verity *v, const Dissection *d, Error *e);
