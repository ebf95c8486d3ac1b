/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing a disk to a block device or a file that is there, in place of making an image of it. The process that reads the
 * disk has the two open and can reach nothing else. */
#pragma once

#include "importer/digest.h"
#include "importer/import-options.h"
#include "importer/output.h"

typedef struct DirectTarget {
        const char *path; /* borrowed */
        int fd;           /* holds the lock */
        uint64_t limit;   /* bytes that it takes; UINT64_MAX = any number */
        bool is_file;     /* that may be made as long as the disk is */
} DirectTarget;

/** direct_check() - whether the options that go with it make sense, with it or without. Return: 0 or -EINVAL. */
int direct_check(const ImportOptions *o, Error *e);
/** direct_open() - open what is to be written to, and keep others from it
 * Return: 0; -EBUSY; -EINVAL it is neither; -ERANGE nothing is left behind the offset; -errno. */
int direct_open(const char *path, const ImportOptions *o, DirectTarget *ret, Error *e);
void direct_done(DirectTarget *t);
/** direct_write() - write a raw disk, packed or not, to it
 * @source_fd, @size: as in a ConvertJob
 * @digest: that it has to have; NULL = any
 * Return: 0; > 0 a signal's number; -errno: then there are zeroes where the disk would begin, if anything was written. */
int direct_write(const DirectTarget *t, const ImportOptions *o, int source_fd, uint64_t size,
                 const Digest *digest, int cancel_fd, Output *output, Error *e);
