/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the chain for disks that go to where they are meant to be at once: a block device, or a file that is there.
 * What was there before is gone from the first write on. The first block comes last, when all the rest has been found to be
 * right: until then there are zeroes in its place, and nobody takes a part for a disk. */
#pragma once

#include "importer/stage.h"

typedef struct SinkDirect {
        int fd;            /* borrowed */
        uint64_t offset;   /* where it begins */
        uint64_t limit;    /* bytes that may be written; UINT64_MAX = any number */
        bool is_fresh;     /* a file, which is emptied first: what is zero becomes a hole */
        bool sync;         /* have the rest on the disk before the first block */
        const char *place; /* for errors */
} SinkDirect;

/** sink_direct_new() - @direct: copied. Return: 0 or -errno. */
int sink_direct_new(const SinkDirect *direct, Stage **ret, Error *e);
