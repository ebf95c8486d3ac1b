/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much images take, and how much they may, where the file system keeps count: quota groups of btrfs, and project
 * quotas of ext4 and xfs. Counting costs the whole file system, so it is used where it is on and never turned on. */
#pragma once

#include "image/image.h"

/** image_read_quota() - fill in usage and limits of an image, if they are known
 * Not part of looking an image up: who starts one does not need it. */
void image_read_quota(Image *i);
/** image_set_limit() - limit what an image may take
 * A subvolume by its quota group; a directory or stack by a project ID, which everything in it gets; a disk image
 * has the limit that it is large, and can be made larger.
 * @limit: bytes; UINT64_MAX = none
 * Return: 0; -EOPNOTSUPP, the message naming what is missing; -EBUSY; -EROFS; -EINVAL smaller than a disk image
 * is; -errno. */
int image_set_limit(const Image *i, uint64_t limit, Error *e);

/** quota_read_directory() - the same for a directory
 * @ret_usage, @ret_exclusive, @ret_limit, @ret_limit_exclusive: UINT64_MAX = unknown, or none */
void quota_read_directory(int fd, uint64_t *ret_usage, uint64_t *ret_exclusive, uint64_t *ret_limit,
                          uint64_t *ret_limit_exclusive);
/** quota_set_directory() - limit a directory. Return: 0 or -errno, as image_set_limit(). */
int quota_set_directory(int fd, const char *path, uint64_t limit, Error *e);
/** quota_set_pool() - limit a directory and all the images in it, which may have limits of their own
 * A subvolume by a quota group of it and all below; a directory that was made a project by that.
 * Return: 0; -EOPNOTSUPP it is neither; -errno, as image_set_limit(). */
int quota_set_pool(int fd, const char *path, uint64_t limit, Error *e);
