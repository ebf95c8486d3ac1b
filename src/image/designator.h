/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a partition of an image is for: the roles of the Discoverable Partitions Specification, whatever
 * the architecture. */
#pragma once

#include "base/macro.h"

typedef enum PartitionDesignator {
        PARTITION_ROOT,
        PARTITION_USR,
        PARTITION_HOME,
        PARTITION_SRV,
        PARTITION_ESP,
        PARTITION_XBOOTLDR,
        PARTITION_SWAP,
        PARTITION_ROOT_VERITY, /* hash tree of the root partition */
        PARTITION_USR_VERITY,
        PARTITION_ROOT_VERITY_SIG, /* root hash of that tree, and its signature */
        PARTITION_USR_VERITY_SIG,
        PARTITION_TMP, /* /var/tmp */
        PARTITION_VAR,
        _PARTITION_ROLE_MAX, /* what a policy can speak of */
        PARTITION_GENERIC =
                _PARTITION_ROLE_MAX, /* GPT: plain Linux data; MBR: bootable, type 0x83 */
        PARTITION_OTHER, /* of a foreign system or architecture, or of a type nobody knows */
        _PARTITION_DESIGNATOR_MAX,
        _PARTITION_DESIGNATOR_INVALID = -EINVAL,
} PartitionDesignator;

/** partition_designator_name() - "root", "root-verity-sig" …; never NULL */
const char *partition_designator_name(PartitionDesignator d);
/** partition_designator_parse() - by its name. Return: it or _PARTITION_DESIGNATOR_INVALID. */
PartitionDesignator partition_designator_parse(const char *name);
/** partition_designator_find() - the same for @n bytes of text */
PartitionDesignator partition_designator_find(const char *name, size_t n);
/** partition_designator_protects() - the data partition that a hash or signature partition is for
 * Return: PARTITION_ROOT, PARTITION_USR, or _PARTITION_DESIGNATOR_INVALID for a data partition. */
PartitionDesignator partition_designator_protects(PartitionDesignator d);
