/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that reads foreign archives: confined, killed at any moment without harm. It fills one
 * directory; what becomes of that is its parent's to say. */
#pragma once

#include "importer/helper.h"
#include "importer/room.h"
#include "importer/tree.h"
#include "importer/verify.h"

typedef struct UnpackJob {
        int source_fd;
        uint64_t size;        /* of what is to come from there; RECORD_UNKNOWN */
        int target_fd;        /* the directory to fill */
        ImageClass class;     /* what for */
        const char *place;    /* where that is, for errors */
        const Room *room;     /* likewise; borrowed */
        bool sync;            /* write everything to the disk at the end */
        const Digest *digest; /* of the stream; NULL = any */
        Digest *ret_digest;   /* gets that which it has; NULL = of no interest */
        unsigned max_ratio;   /* of the tree to the archive; 0 = any */
} UnpackJob;

/** unpacker_run() - unpack an archive in a process of its own
 * @ret_skipped:  what was left out
 * Return: 0; > 0 the number of a signal that ended it; -errno. */
int unpacker_run(const UnpackJob *job, int cancel_fd, Output *o, TreeSkipped *ret_skipped,
                 Error *e);
