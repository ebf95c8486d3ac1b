/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The place in a pool where a tree or a disk grows until it is complete, and the step that makes it an image.
 * It has a temporary name (image/temporary.h) and is locked (flock() on the directory or file itself, which
 * leaves no other behind) by whoever works on it, so that temporary_sweep() can tell it from what a
 * crash left. */
#pragma once

#include <stddef.h>

#include "importer/room.h"

typedef struct Staging {
        int pool_fd;         /* borrowed */
        char *name;          /* of the image to be */
        char *temp;          /* of the tree or file; NULL = none is there (any more) */
        const char *suffix;  /* of its name in the pool; NULL = what trees and disks have */
        int fd;              /* the tree or file; holds the lock */
        Room room;           /* where that is, as it was in the beginning */
        bool stays_writable; /* cannot be marked */
} Staging;

typedef struct StagingOptions {
        bool is_disk; /* a file, NAME.raw */
        bool force;   /* replace what has the name */
        bool read_only; /* mark the image so: a subvolume as such, else its top directory as immutable; a disk
                         * loses its write bits */
        bool or_not; /* that is not asked for by anybody: where it cannot be had, it is not */
        bool sync;   /* make the new name durable, too */
} StagingOptions;

/** staging_begin() - make a temporary tree or file beside where the image is going to be
 * @pool_fd:  the pool, borrowed
 * @name:     checked by the caller
 * Return: 0; -EEXIST = the name is taken and @options do not say force; -EOPNOTSUPP = read-only is
 * wanted and the file system cannot; -errno. */
int staging_begin(int pool_fd, const char *name, const StagingOptions *options, Staging *ret,
                  Error *e);
/** staging_commit() - give it its name. Return: 0; -EEXIST as above; -errno. */
int staging_commit(Staging *s, const StagingOptions *options, Error *e);
/** staging_take() - let another temporary tree be what grows here
 * @temp:   name; the staging's from now on, as is @fd, which holds the lock
 * @suffix: what the image is to have at the end of its name, static; NULL = as usual */
void staging_take(Staging *s, char *temp, int fd, const char *suffix);
/** staging_suffix() - what the image's name has at its end: "", ".raw" */
const char *staging_suffix(const Staging *s, const StagingOptions *options);
/** staging_make_read_only() - if that is wanted
 * @ret_late: it is still to be marked as immutable, when it has its name
 * Return: 0 or -errno. */
int staging_make_read_only(Staging *s, const StagingOptions *options, bool *ret_late, Error *e);
/** staging_done() - remove what was not committed, let go of the lock */
void staging_done(Staging *s);
