/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody wants transferred: the same value whichever way they said it, so that it is checked, shown to
 * polkit and handed to a worker in one place. */
#pragma once

#include "base/text.h"
#include "importer/image-class.h"
#include "importer/transfer-kind.h"

/* What is said of how an export is packed. */
typedef enum TransferSaid {
        TRANSFER_SAID_LEVEL = 1 << 0,
        TRANSFER_SAID_THREADS = 1 << 1,
        TRANSFER_SAID_CLAMP = 1 << 2,
        TRANSFER_SAID_CHECKSUM = 1 << 3,
} TransferSaid;

/* Strings are borrowed or owned as the holder says; NULL and "" are the same. */
typedef struct TransferRequest {
        TransferKind kind;
        ImageClass class;
        TransferFlags flags;
        char *local;  /* name of the image; empty in a pull: the download alone is kept */
        char *remote; /* of a pull: the URL */
        char *verify; /* "no" or a digest; of a pull also "checksum", "signature"; empty = no */
        char *format; /* of an export: the compression; empty = none */
        TransferSaid said;
        uint32_t level, threads;
        uint64_t clamp_mtime; /* s since 1970 */
        int checksum_fd;     /* where the checksum goes, if that is said; borrowed in either case */
        char *checksum_name; /* of the file that it is of */
        char *root;          /* the directory of images; empty = that of the class */
} TransferRequest;

/** transfer_request_done() - free the strings, which have to be owned */
void transfer_request_done(TransferRequest *r);
/** transfer_request_copy() - with strings of its own. Return: 0 or -ENOMEM. */
int transfer_request_copy(const TransferRequest *r, TransferRequest *ret);

/** transfer_request_check() - whether it makes sense, all but the descriptor
 * Return: 0 or -EINVAL with the cause in @e. */
int transfer_request_check(const TransferRequest *r, Error *e);
/** transfer_request_check_fd() - whether a descriptor, and that for a checksum, is good for it: open the right way, and of a file, a pipe
 * or a socket, or of a directory where one is imported. Return: 0; -EINVAL, -ENOTDIR. */
int transfer_request_check_fd(const TransferRequest *r, int fd, Error *e);
/** transfer_request_shown_remote() - the URL as strangers may see it: without a password
 * Return: a new string; NULL = out of memory. */
char *transfer_request_shown_remote(const TransferRequest *r);

/* Where a worker has the descriptor for a checksum. */
#define WORKER_CHECKSUM_FD 4

#define TRANSFER_DETAILS_MAX 11
/** transfer_request_details() - what polkit is told: remote, local, class, type, verify, as far as there is
 * such a thing. @shown_remote: from above, borrowed by @ret, as is all else. */
void transfer_request_details(const TransferRequest *r, const char *shown_remote,
                              const char *ret[static TRANSFER_DETAILS_MAX]);
/** transfer_request_argv() - arguments for the worker, which has the other end as standard input or output
 * Return: 0 or -ENOMEM. */
int transfer_request_argv(const TransferRequest *r, char ***ret);
