/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that reads foreign disks: confined, killed at any moment without harm. It has the two files open
 * and can reach nothing else. */
#pragma once

#include "importer/helper.h"
#include "importer/room.h"
#include "importer/verify.h"

typedef struct ConvertJob {
        int source_fd;
        uint64_t size;        /* of what is to come from there; RECORD_UNKNOWN */
        int target_fd;        /* an empty file */
        int dir_fd;           /* where temporary files may be made */
        const char *place;    /* where that is, for errors */
        const Room *room;     /* likewise; borrowed */
        bool sync;            /* write everything to the disk at the end */
        const Digest *digest; /* of the stream; NULL = any */
        Digest *ret_digest;   /* gets that which it has; NULL = of no interest */
        unsigned max_ratio;   /* of what is written to what came; 0 = any */
} ConvertJob;

/** converter_run() - make a raw disk of what comes: raw or qcow2, packed or not
 * Without a digest to compute, a plain file's data is shared where the file system can, else copied without its
 * holes.
 * Return: 0; > 0 the number of a signal that ended it; -errno. */
int converter_run(const ConvertJob *job, int cancel_fd, Output *o, Error *e);
