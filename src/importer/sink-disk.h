/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the chain for disks: a stream becomes a file with holes. */
#pragma once

#include <stdatomic.h>

#include "importer/stage.h"

typedef struct SinkDisk {
        int fd;       /* the disk: an empty file; borrowed */
        int spool_fd; /* likewise, for a qcow2 image, whose tables may point anywhere; -EBADF = such
                                    * are refused */
        const char *place;  /* for errors */
        unsigned max_ratio; /* of bytes written to bytes of the stream as it came; 0 = any */
        const _Atomic uint64_t *in; /* those that came */
} SinkDisk;

/* What is written in any case, whatever the ratio. */
#define SINK_DISK_FREE ((uint64_t) 64 * 1024 * 1024)

/** sink_disk_new() - a disk, or a qcow2 image of one: that is seen from its first bytes
 * @disk: copied. Return: 0 or -errno. */
int sink_disk_new(const SinkDisk *disk, Stage **ret, Error *e);
/** sink_disk_limit() - how much may be written when @in bytes came; UINT64_MAX = any number */
uint64_t sink_disk_limit(unsigned max_ratio, uint64_t in);
/** sink_disk_round() - give a file whole sectors, or loop devices would not show its end. Return: 0 or -errno. */
int sink_disk_round(int fd);
