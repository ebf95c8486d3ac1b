/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quota groups of btrfs: each subvolume has one of its own, if quotas are on. */
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
