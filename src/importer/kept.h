/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downloads that are kept: hidden read-only images called by the digest of what was downloaded (".tar-HEX",
 * ".raw-HEX.raw"), which images are clones of. Where they are from is in their extended attributes, which nobody
 * else can have set on an image of such a name. The pool's `clean` removes them as it does any hidden image. */
#pragma once

#include "importer/digest.h"
#include "importer/import-run.h"

typedef struct Kept {
        char *name;            /* of the image */
        char *etag, *modified; /* NULL = none */
} Kept;

void kept_done(Kept *k);
/** kept_name() - what a download of that digest is called
 * @kind: "tar" or "raw"
 * Return: a new string; NULL = out of memory. */
char *kept_name(const char *kind, const Digest *digest);
/** kept_find() - look for one in a directory
 * @digest: of what is wanted; NULL = not known
 * @url:    where that was downloaded from, if the digest is not known
 * Return: 1; 0 there is none; -errno. */
int kept_find(const char *root, const char *kind, const Digest *digest, const char *url, Kept *ret,
              Error *e);
/** kept_mark() - write down where it is from; all of it, for an archive may bring attributes with it
 * @etag, @modified: "" = none. Return: 0; -EOPNOTSUPP; -errno. */
int kept_mark(int fd, const char *url, const char *etag, const char *modified, Error *e);
/** kept_can_share() - whether files in a directory can share their data */
bool kept_can_share(const char *root);
/** kept_use() - make an image of one
 * A snapshot, or a copy that shares all data; where the file system can do neither, a layer on it, or for a disk or a
 * read-only image a copy, which is told.
 * @job: of the image; what it is filled with is replaced. Return: as import_run(). */
int kept_use(const ImportJob *job, const Kept *k, Output *o, Error *e);
