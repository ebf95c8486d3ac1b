/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An import from beginning to end, in the worker: locks, a temporary object in the pool, commit. What fills
 * the object is the kind's. */
#pragma once

#include "importer/output.h"
#include "importer/sidecar.h"
#include "importer/staging.h"

typedef struct ImportJob ImportJob;

struct ImportJob {
        const char *source_name; /* for errors */
        const char *root;        /* the directory where images are; made if it is missing */
        const char *name;        /* of the image, valid */
        bool lock_name;          /* the root is the pool of machines: keep others off the name */
        StagingOptions staging;
        bool unwrap; /* if all is in one directory, that is the image */

        /* Fills the temporary object. Errors need not name the source.
         * @cancel_fd: a signal there means to give up
         * Return: 0; > 0 the number of a signal; -errno. */
        int (*fill)(const ImportJob *job, Staging *staging, int cancel_fd, Output *o, Error *e);
        /* What is still to be done when it is complete, before it is seen; may give it another name, by
         * replacing staging->name. NULL = nothing. Return: 0 or -errno. */
        int (*finish)(const ImportJob *job, Staging *staging, Error *e);
        void *context;      /* of both */
        Sidecars *sidecars; /* to be put beside it before it is seen; NULL = none */
};

/** import_run() - import
 * Reacts to SIGTERM, SIGINT and SIGHUP, which the caller has blocked.
 * Return: 0 the image is there; a signal's number (> 0) = given up because of it, nothing is left;
 * -errno, nothing is left either. */
int import_run(const ImportJob *job, Output *o, Error *e);
