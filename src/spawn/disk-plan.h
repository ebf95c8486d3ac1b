/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which partitions of a disk image a machine gets, where and how. Pure data: made of what skep-dissect
 * found, printed by --dry-run, carried out by disk.c. */
#pragma once

#include "image/dissection.h"
#include "spawn/protect.h"
#include "spawn/spec.h"

#define DISK_MOUNTS_MAX 8

typedef struct DiskMount {
        PartitionDesignator designator; /* PARTITION_ROOT even of a generic one */
        Partition partition;
        Protection protection;
        const char *targets[2]; /* in the image; the second if the first will not do; NULL = none */
        bool needs_empty;       /* only on an empty directory that is there; else it is left out */
        bool read_only;
        bool grows;          /* the file system shall fill its partition */
        uint64_t attributes; /* MOUNT_ATTR_* besides read-only */
        const char *type;    /* for the kernel; NULL = not known yet, or none that we mount */
        const char *options; /* for that, "a=b,c"; NULL = none */
} DiskMount;

/* Ordered so that what lies in another comes after it; the root is the first. */
typedef struct DiskPlan {
        size_t n;
        DiskMount mounts[DISK_MOUNTS_MAX];
} DiskPlan;

/** disk_plan() - choose the partitions
 * @d:         of the image
 * @v:         what is known of its protection
 * @writable:  the image may be written to
 * @name:      of the image, for errors
 * Return: 0; -ENOMEDIUM there is no root; -ENOTUNIQ there are several; -EPERM the image
 * policy refuses it. */
int disk_plan(const Spec *spec, const Dissection *d, const Verity *v, bool writable,
              const char *name, DiskPlan *ret, Error *e);

/** disk_mount_set_type() - fill in type and options for a file system
 * @fstype:  as libblkid calls it
 * Return: 0; -EMEDIUMTYPE it is none that we mount there. */
int disk_mount_set_type(DiskMount *m, const char *fstype);

/** disk_mount_describe() - "partition 2 (root)", or "the image" of one without a table
 * Return: @text. */
#define DISK_MOUNT_TEXT_MAX 64
const char *disk_mount_describe(const DiskMount *m, char text[static DISK_MOUNT_TEXT_MAX]);

/** disk_plan_format() - one partition a line. Return: 0 or -ENOMEM. */
int disk_plan_format(const DiskPlan *p, Buf *out);
