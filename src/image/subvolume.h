/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* btrfs subvolumes, by ioctl. On other file systems nothing is a subvolume. */
#pragma once

#include "base/error.h"

/** subvolume_is() - whether an open directory is the top of a btrfs subvolume */
bool subvolume_is(int fd);
/** subvolume_is_top() - whether it is the one that all others of the file system are in */
bool subvolume_is_top(int fd);
/** subvolume_get_id() - the number of its tree, which no other one ever has. Return: 0 or -errno. */
int subvolume_get_id(int fd, uint64_t *ret);
/** subvolume_get_read_only() - the subvolume's own read-only flag. Return: 0 or -errno. */
int subvolume_get_read_only(int fd, bool *ret);
/** subvolume_set_read_only() - set or clear it. Return: 0 or -errno. */
int subvolume_set_read_only(int fd, bool read_only);
/** subvolume_get_times() - when it was made and last changed, in µs. Return: 0 or -errno. */
int subvolume_get_times(int fd, uint64_t *ret_crtime, uint64_t *ret_mtime);
/** subvolume_create() - make an empty one, which counts for the limit of what it is in. Return: 0; -ENOTTY = not btrfs; -errno. */
int subvolume_create(int dir_fd, const char *name);
/** subvolume_snapshot() - a snapshot of @source_fd, without the subvolumes nested in it; it counts in the same way
 * Return: 0; -ENOTTY = not btrfs; -EXDEV = another file system; -errno. */
int subvolume_snapshot(int source_fd, int dir_fd, const char *name, bool read_only);
/** subvolume_snapshot_all() - the same with all subvolumes nested in it
 * Return: as subvolume_snapshot(); on failure there may be a part of it. */
int subvolume_snapshot_all(int source_fd, int dir_fd, const char *name, bool read_only);
/** tree_remove() - remove a tree with the subvolumes nested in it, or one that is a subvolume
 * Other file systems mounted inside are not entered (-EBUSY). Anything but a directory is unlinked.
 * Return: 0 (also when it was not there) or -errno. */
int tree_remove(int dir_fd, const char *name);
