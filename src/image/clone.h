/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New images made of old ones. */
#pragma once

#include "image/image.h"

/** image_clone() - make a copy of an image in the pool's main directory
 * A snapshot on btrfs; else a copy that shares its data with the original where the file system can. It
 * appears when it is complete. The original need not be idle: what is written meanwhile may or may not
 * be in the copy. The files beside the image and its settings are copied, too.
 * @read_only: mark the copy
 * Return: 0; -EEXIST the name is taken; -EBUSY; -EINVAL; -EOPNOTSUPP for devices; -errno, nothing
 * left. */
int image_clone(const Image *i, const char *new_name, bool read_only, Error *e);

/** clone_tree() - make a directory that is the same as another one: a snapshot, or a copy as by copy_tree()
 * Temporary names are in order: it is locked as temporary_sweep() wants it. It is not synced, and for the
 * caller to remove on failure.
 * @name:  in @dir_fd, not there yet
 * Return: a descriptor that holds the lock, or -errno. */
int clone_tree(int from_fd, int dir_fd, const char *name, bool read_only, Error *e);
