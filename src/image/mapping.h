/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices over devices: a partition checked with verity, or decrypted. Made by skep-crypt, a program of its
 * own, for that takes libraries and reads headers that a stranger wrote. What comes back is the open
 * device; it is gone once that is closed and whatever was mounted from it is unmounted, whoever dies. */
#pragma once

#include "image/verity.h"

#define MAPPING_AIDE "skep-crypt"

typedef struct MappingNames {
        const char *image;     /* for messages and prompts */
        const char *partition; /* "root" */
} MappingNames;

/** mapping_open_verity() - have every block of a device checked when it is read
 * @data_fd:    block device
 * @tree_fd:    block device or file with the hash tree
 * @signature:  of the root hash; NULL = none. It is checked by the kernel's keys, else by the certificates in
 *              /etc/verity.d and the like.
 * @must_sign:  refuse if that check fails; else go on without signature
 * @ret_fd:     the device, open for reading; the caller's
 * Return: 0; -EOPNOTSUPP this kernel has no device-mapper; -ENOPKG skep-crypt is not installed; -EKEYREJECTED
 * nobody we trust has signed the root hash; other -errno. */
int mapping_open_verity(const MappingNames *names, int data_fd, int tree_fd, const RootHash *hash,
                        const Buf *signature, bool must_sign, int *ret_fd, Error *e);

typedef enum MappingFlags {
        MAPPING_READ_ONLY = 1 << 0,
        MAPPING_INTEGRITY = 1 << 1, /* refuse what has no integrity data */
        MAPPING_ASK = 1 << 2,       /* ask on the terminal if there is no other passphrase */
} MappingFlags;

/** mapping_open_luks() - decrypt a device
 * @passphrase_fd:  file with the passphrase, read to its end; -EBADF = none
 * Return: 0; -EOPNOTSUPP, -ENOPKG as above; -ENOKEY there is no passphrase; -EKEYREJECTED it is wrong; other
 * -errno. */
int mapping_open_luks(const MappingNames *names, int data_fd, int passphrase_fd, MappingFlags flags,
                      int *ret_fd, Error *e);
