/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is in a disk image: its partition table, and of each partition what it is for, where it lies and
 * what file system it holds. A plain value without descriptors. skep-dissect reads it out of the image
 * and sends it as text (dissection_format()); whoever asked reads that with dissection_parse(), as the
 * words of a stranger: offsets and sizes are within the image, names are of one harmless word, and no
 * more is promised.
 *
 * Partitions are listed as they lie in the table, duplicates included, so that who knows more (a root
 * hash, a policy) can choose; who does not uses dissection_find(). */
#pragma once

#include "base/id128.h"
#include "base/text.h"
#include "image/designator.h"
#include "image/root-hash.h"

typedef enum PartitionFlags {
        PARTITION_READ_ONLY = 1 << 0, /* GPT bit 60 */
        PARTITION_GROWFS = 1 << 1,    /* GPT bit 59: file system shall fill the partition */
        PARTITION_NO_AUTO = 1 << 2,   /* GPT bit 63: not to be used unless named */
        PARTITION_SECONDARY = 1 << 3, /* of the other architecture that we can run (i386, arm) */
        _PARTITION_FLAGS_ALL = (1 << 4) - 1,
} PartitionFlags;

typedef enum PartitionTable {
        PARTITION_TABLE_NONE, /* the image is one file system, or an encrypted one: one PARTITION_ROOT */
        PARTITION_TABLE_GPT,
        PARTITION_TABLE_MBR,
        _PARTITION_TABLE_MAX,
        _PARTITION_TABLE_INVALID = -EINVAL,
} PartitionTable;

#define PARTITION_FSTYPE_MAX 32
#define PARTITION_LABEL_MAX  (36 * 3 + 1) /* 36 UTF-16 units */

typedef struct Partition {
        PartitionDesignator designator;
        PartitionFlags flags;
        unsigned number; /* in the table, from 1; 0 = the whole image */
        uint64_t offset; /* bytes from the start of the image */
        uint64_t size;   /* bytes */
        Id128 type;      /* of a GPT; null = none */
        Id128 uuid;      /* of the partition, not of what is in it; null = none */
        /* By what it holds, as libblkid calls it: "ext4", "vfat", "squashfs", "crypto_LUKS",
         * "DM_verity_hash"…; letters, digits, '_', '-' and '.' only; "" = nothing known, or not looked at
         * (swap, verity signatures, PARTITION_OTHER). */
        char fstype[PARTITION_FSTYPE_MAX];
        char label[PARTITION_LABEL_MAX]; /* of a GPT, UTF-8 without control characters; "" = none */
} Partition;

#define PARTITIONS_MAX 128
#define SIGNATURES_MAX 4

/* What a signature partition holds. */
typedef struct PartitionSignature {
        size_t partition; /* index of it in the list */
        RootHash root_hash;
        Buf signature; /* DER of a PKCS#7; nobody has looked at it */
} PartitionSignature;

typedef struct Dissection {
        PartitionTable table;
        uint32_t sector_size; /* that the table is made for: 512 to 4096 */
        uint64_t size;        /* of the image, in bytes */
        size_t n;
        Partition *partitions;
        size_t n_signatures;
        PartitionSignature signatures[SIGNATURES_MAX];
} Dissection;

/** dissection_done() - free it; it is empty again */
void dissection_done(Dissection *d);
/** dissection_add() - append a copy of @p. Return: 0; -E2BIG past PARTITIONS_MAX; -ENOMEM. */
int dissection_add(Dissection *d, const Partition *p);

/** dissection_add_signature() - note what the last partition holds
 * @signature: its bytes now belong to the Dissection, and are freed on failure
 * Return: 0; -E2BIG past SIGNATURES_MAX. */
int dissection_add_signature(Dissection *d, const RootHash *hash, Buf *signature);

/** dissection_find() - the one partition for a purpose
 * Partitions that are not to be used unless named are passed over; those of our own architecture win
 * over the secondary one. For PARTITION_ROOT a single PARTITION_GENERIC does where there is no root.
 * @ret: within @d
 * Return: 1 found; 0 there is none, @ret untouched; -ENOTUNIQ more than one, @e says which. */
int dissection_find(const Dissection *d, PartitionDesignator which, const Partition **ret,
                    Error *e);

/** dissection_format() - as text: a line for the table, one for each partition. Return: 0 or -ENOMEM. */
int dissection_format(const Dissection *d, Buf *out);
/** dissection_parse() - read that text; trusts nothing in it
 * @ret: dissection_done() it
 * Return: 0; -EBADMSG with line and cause; -ENOMEM. */
int dissection_parse(const char *text, size_t n, Dissection *ret, Error *e);

/** partition_flags_format() - "read-only,growfs", "-" for none. Return: 0 or -ENOMEM. */
int partition_flags_format(PartitionFlags flags, Buf *out);
