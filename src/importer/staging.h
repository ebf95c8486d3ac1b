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
/** staging_place() - write a small file that goes with an image; it is seen whole or not at all
 * @force: replace what has the name
 * Return: 0; -EEXIST = the name is taken; -errno. */
int staging_place(int pool_fd, const char *entry, const void *data, size_t n, bool force, Error *e);
/** staging_done() - remove what was not committed, let go of the lock */
void staging_done(Staging *s);
