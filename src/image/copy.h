/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of trees and disks as they are: owners, modes, times, extended attributes (and so ACLs and file
 * capabilities), hard links, holes. Data is shared with the original where the file system can. */
#pragma once

#include <stdatomic.h>
#include <sys/stat.h>

#include "base/error.h"

/* What of a tree is copied, and how far that is. All may be NULL. */
typedef struct CopyOptions {
        /* Whether a node (device, FIFO, socket) is copied. */
        bool (*takes_node)(void *context, const struct stat *st);
        bool (*takes_xattr)(void *context, const char *name);
        /* The mode that the copy of something gets. */
        mode_t (*mode)(void *context, const struct stat *st);
        void *context;
        _Atomic uint64_t *done; /* counts the bytes of files */
} CopyOptions;

/** copy_file() - copy content and holes of a regular file, or a whole device, into an empty file. Return: 0 or -errno. */
int copy_file(int from, int to);
/** copy_tree() - copy a directory
 * Other file systems mounted below it are left out, but for their mount points. The copy is complete or
 * the caller removes it.
 * @from_fd:  the directory
 * @to_fd:    an empty directory, which gets the attributes of @from_fd at the end
 * Return: 0; -errno, the message naming the path below @from_fd. */
int copy_tree(int from_fd, int to_fd, Error *e);
/** copy_tree_with() - the same, with a say in what is copied */
int copy_tree_with(int from_fd, int to_fd, const CopyOptions *options, Error *e);
