/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New images made of old ones. */
#pragma once

#include "image/change.h"

/** image_clone() - make a copy of an image in the pool's main directory
 * A snapshot on btrfs; else a copy that shares its data with the original where the file system can; a disk image
 * of a device; with IMAGE_CLONE_LAYER a stack on the original, see layer.h. It appears when it is complete, with
 * the files beside the image and its settings. The original need not be idle: what is written meanwhile may or
 * may not be in the copy.
 * @flags: of IMAGE_CLONE_…; with IMAGE_CLONE_FRESH it is refused what cannot be written to (-EROFS)
 * Return: 0; -EEXIST the name is taken; -EBUSY; -EINVAL; -EOPNOTSUPP; -errno, nothing left. */
int image_clone(const Image *i, const char *new_name, ImageFlags flags, Error *e);

/** clone_tree() - make a directory that is the same as another one: a snapshot, or a copy as by copy_tree()
 * Temporary names are in order: it is locked as temporary_sweep() wants it. It is not synced, and for the
 * caller to remove on failure.
 * @name:  in @dir_fd, not there yet
 * Return: a descriptor that holds the lock, or -errno. */
int clone_tree(int from_fd, int dir_fd, const char *name, bool read_only, Error *e);
