/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a tar archive (pax) of a tree: owners, modes, times, extended attributes, ACLs, hard links, holes. The order is
 * that of the names, so that the same tree makes the same archive. */
#pragma once

#include <stdatomic.h>

#include "importer/stage.h"

typedef struct TarWriteOptions {
        int64_t clamp_mtime; /* what was changed later is said to be of then (s since 1970); INT64_MAX = never */
        _Atomic uint64_t *done; /* counts the bytes of files */
} TarWriteOptions;

/* What has no place in an archive. */
typedef struct TarWritten {
        uint64_t entries;
        uint64_t sockets; /* left out */
} TarWritten;

/** tar_write() - push the archive of a tree, and end the stream
 * Other file systems mounted below it are left out, but for their mount points. The locale has to be UTF-8.
 * @root_fd:  open for reading or with O_PATH
 * Return: 0 or -errno, naming the path below the root. */
int tar_write(int root_fd, const TarWriteOptions *options, Stage *next, TarWritten *ret, Error *e);
/** tar_write_size() - the bytes of all files of a tree. Return: 0 or -errno. */
int tar_write_size(int root_fd, uint64_t *ret);
