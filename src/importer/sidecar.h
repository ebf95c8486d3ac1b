/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that go with an image and lie beside what it is made of, here or on a server: settings, root hashes, their
 * signatures, verity data. */
#pragma once

#include "importer/import-options.h"
#include "importer/staging.h"

#define SIDECARS_MAX 6

typedef struct Sidecars {
        int fds[SIDECARS_MAX]; /* files in memory; -EBADF = there is none */
} Sidecars;

#define SIDECARS_NULL                                                                              \
        {                                                                                          \
                .fds = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF }                          \
        }

/** sidecar_suffix() - what its name has after that of the image: ".nspawn" */
const char *sidecar_suffix(size_t i);
/** sidecar_max() - the most bytes that such a file has */
uint64_t sidecar_max(size_t i);
/** sidecar_is_wanted() - whether the options let it go with such an image */
bool sidecar_is_wanted(const ImportOptions *o, size_t i, bool is_disk);
/** sidecars_open() - take those that lie beside a local file
 * @path: of the file; theirs is that without what says how it is packed. Return: 0 or -errno. */
int sidecars_open(Sidecars *s, const ImportOptions *o, const char *path, bool is_disk, Error *e);
/** sidecars_commit() - give an image its name, and them theirs beside it, as one
 * Who is killed meanwhile leaves all of the old or all of the new, or a note by which transaction_recover() makes it
 * all of the new. With @o->force, what lies beside an image that is replaced and says what is in it goes as well.
 * @root: the directory, of which @staging has a descriptor. Return: 0; -EEXIST; -errno, all is as it was. */
int sidecars_commit(const Sidecars *s, const char *root, Staging *staging, const StagingOptions *o,
                    Error *e);
void sidecars_done(Sidecars *s);
