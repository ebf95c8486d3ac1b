/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quota groups of btrfs: each subvolume has one of its own, if quotas are on, and may be in one with others. */
#pragma once

#include "base/error.h"

/** quota_group_read() - what the group of a subvolume says
 * @ret_…: UINT64_MAX = no limit
 * Return: 0; -ENOTCONN quotas are off; -EAGAIN they are being counted; -errno, nothing set. */
int quota_group_read(int fd, uint64_t *ret_usage, uint64_t *ret_exclusive, uint64_t *ret_limit,
                     uint64_t *ret_limit_exclusive);
/** quota_group_set_limit() - limit what a subvolume refers to; UINT64_MAX = not
 * Return: 0; -ENOTCONN quotas are off; -errno. */
int quota_group_set_limit(int fd, uint64_t limit);

/** quota_group_read_tree() - what the group of a subvolume and all below it says, if it has one
 * Return: as quota_group_read(); -ENOTCONN also if there is none. */
int quota_group_read_tree(int fd, uint64_t *ret_usage, uint64_t *ret_limit);
/** quota_group_set_tree_limit() - limit what a subvolume and all below it refer to, as one
 * The group is made if there is none. Return: as quota_group_set_limit(). */
int quota_group_set_tree_limit(int fd, uint64_t limit);
/** quota_group_join() - put a new subvolume into the group of the one that it was made in, if that has one
 * Return: 0, also where no quotas are; -errno. */
int quota_group_join(int dir_fd, int fd);
