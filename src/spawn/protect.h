/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the partitions of a disk image are protected, and what the image policy makes of that. Choosing is pure;
 * opening has skep-crypt make a device. */
#pragma once

#include "image/dissection.h"
#include "image/image-policy.h"
#include "image/verity.h"
#include "spawn/spec.h"

typedef struct Protection {
        PartitionUse use;
        bool must_sign;    /* PARTITION_SIGNED: not without a signature that we trust */
        bool may_be_plain; /* verity: where the kernel has none, do without */
        const Partition
                *tree; /* verity: where the hash tree is, within the Dissection; NULL = in a file */
} Protection;

/** protect_find() - the partition that a root hash is of
 * @ret: within @d
 * Return: 1 found; 0 the hash says nothing of this role, or the image has no table; -ENOENT none is. */
int protect_find(const Verity *v, const Dissection *d, PartitionDesignator which,
                 const Partition **ret, Error *e);
/** protect_choose() - how to use the partition of one role
 * @data: the partition; NULL = there is none
 * Return: 0; -EPERM the policy refuses the image; -ENOENT there is a root hash but no hash tree. */
int protect_choose(const ImagePolicy *policy, const Dissection *d, const Verity *v,
                   PartitionDesignator which, const Partition *data, Protection *ret, Error *e);
/** protect_check_rest() - let the policy judge the roles that a machine does not mount
 * Return: 0; -EPERM. */
int protect_check_rest(const ImagePolicy *policy, const Dissection *d, Error *e);

/** protect_open() - put the protection over a device
 * @what:       for messages, "root"
 * @device_fd:  the partition
 * @tree_fd:    the hash tree; -EBADF = none is needed
 * Return: 0 and the device to be mounted in @ret_fd; 1 @device_fd itself is to be mounted, with @e saying why;
 * -errno. */
int protect_open(const Spec *spec, const Protection *p, const Verity *v, const char *what,
                 int device_fd, int tree_fd, bool read_only, int *ret_fd, Error *e);
