/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libarchive read of one entry, in our own terms. */
#pragma once

#include <archive_entry.h>

#include "importer/tree.h"

/** tar_entry_meta() - owner, mode, time, attributes and ACLs of an entry
 * @ret:      tree_meta_done() it
 * @skipped:  counts what cannot be kept
 * Return: 0; -ERANGE = an owner is not a valid ID; -ENOMEM. */
int tar_entry_meta(struct archive_entry *entry, TreeMeta *ret, TreeSkipped *skipped, Error *e);
/** tar_entry_read_xattrs() - give an entry the extended attributes and ACLs of a file, for an archive
 * @name: in @dir_fd; not followed
 * Return: 0 or -errno. */
int tar_entry_read_xattrs(struct archive_entry *entry, int dir_fd, const char *name);
