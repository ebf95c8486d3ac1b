/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that an export goes to. It has no name until it is complete. */
#pragma once

#include "importer/digest.h"
#include "importer/room.h"

typedef struct ExportTarget {
        const char *shown; /* for errors */
        int fd;            /* for writing */
        char *path;        /* NULL = standard output */
        char *temporary;   /* a name that it has meanwhile, where it cannot be without; else NULL */
        bool force;
        Room room; /* where the file is */
} ExportTarget;

/** export_target_open() - @path: "-" = standard output; a file must not exist yet, unless @force. Borrowed.
 * Return: 0; -EEXIST; -EINVAL = a terminal; -errno. */
int export_target_open(const char *path, bool force, ExportTarget *ret, Error *e);
/** export_target_commit() - give it its name
 * @sync: write it to the disk first
 * Return: 0; -EEXIST; -errno. */
int export_target_commit(ExportTarget *t, bool sync, Error *e);
/** export_target_check_room() - whether so many bytes fit in it. Return: 0; -ENOSPC. */
int export_target_check_room(const ExportTarget *t, uint64_t need, Error *e);
/** export_target_write_digest() - put a file beside it, FILE.sha256, that says what its digest is, as sha256sum and
 * who pulls it understand it; one that is there is replaced
 * Return: 0 or -errno. */
int export_target_write_digest(const ExportTarget *t, const Digest *d, Error *e);
/** export_target_done() - close it; what was not committed is gone */
void export_target_done(ExportTarget *t);
