/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One import from beginning to end, in the worker: temporary tree, unpacker, progress, cancel, commit. */
#pragma once

#include "importer/staging.h"
#include "importer/verify.h"

typedef struct ImportJob {
        int source_fd;
        const char *source_name; /* for errors */
        const char *root;        /* the directory where images are; made if it is missing */
        const char *name;        /* of the image, valid */
        bool lock_name;          /* the root is the pool of machines: keep others off the name */
        StagingOptions staging;
        const uint8_t *sha256; /* of the archive; NULL = any */
} ImportJob;

/* Where a running import reports to. */
typedef struct ImportReporter {
        /* @ratio: 0 to 1; below 0 = not known. @done: bytes of the archive read so far */
        void (*progress)(void *context, double ratio, uint64_t done);
        void (*note)(void *context, int level, const char *text);
        void *context;
} ImportReporter;

/** import_tar_run() - import a tree
 * Reacts to SIGTERM, SIGINT and SIGHUP, which the caller has blocked.
 * Return: 0 the image is there; a signal's number (> 0) = given up because of it, nothing is left;
 * -errno, nothing is left either. */
int import_tar_run(const ImportJob *job, const ImportReporter *reporter, Error *e);
