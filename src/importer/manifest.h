/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of digests that lies beside what is pulled, as its publisher signed it. */
#pragma once

#include "importer/checksum-list.h"
#include "importer/fetcher.h"

typedef enum PullVerify {
        PULL_VERIFY_NO,
        PULL_VERIFY_CHECKSUM,  /* against a list */
        PULL_VERIFY_SIGNATURE, /* against a list that is signed */
        PULL_VERIFY_DIGEST,    /* against a digest that is given */
        _PULL_VERIFY_MAX,
} PullVerify;

typedef struct Manifest {
        char *text;
        size_t n;
        char *name;     /* of the file, for messages */
        bool is_single; /* it is about one file only */
} Manifest;

void manifest_done(Manifest *m);
/** manifest_pull() - fetch the list that @file is in, checking its signature if @verify says so
 * Tried are, beside @url: FILE.sha256, SHA256SUMS, FILE.sha512, SHA512SUMS; and each one's signature .minisig
 * (if there are keys for such), .asc, .gpg, .sig, unless it has one in it.
 * @file: the last component of @url
 * @ret_digest: of @file
 * Return: 0; > 0 a signal's number; -ENOENT; -EKEYREJECTED; -errno. */
int manifest_pull(Fetcher *f, const char *url, const char *file, PullVerify verify, Manifest *ret,
                  Digest *ret_digest, Error *e);
/** manifest_find() - the digest of another file. Return: 0; -ENOENT; -EBADMSG. */
int manifest_find(const Manifest *m, const char *file, Digest *ret, Error *e);
