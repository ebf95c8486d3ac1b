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
/* What is said of the file beside it. */
typedef struct ExportSeal {
        bool checksum;    /* FILE.sha256 */
        const char *sign; /* a key of the caller, "" = the default: FILE.sha256.asc; NULL = none */
        int checksum_fd;  /* where the checksum goes if the file is standard output; -EBADF */
        const char *name; /* of the file in that case */
} ExportSeal;

/** export_target_finish() - commit it, with what is said of it
 * The checksum is written as sha256sum and who pulls it understand it; it is signed before anything has its name. Files
 * that are there are replaced.
 * @d: its digest; NULL = nothing is said. Return: 0; -ENOKEY it cannot be signed; as export_target_commit(). */
int export_target_finish(ExportTarget *t, const ExportSeal *seal, const Digest *d, bool sync,
                         Error *e);
/** export_target_done() - close it; what was not committed is gone */
void export_target_done(ExportTarget *t);
