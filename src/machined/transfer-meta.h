/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is attached to files beside owner, mode and times, carried from one side of a copy to the other. */
#pragma once

#include "machined/transfer.h"

/** transfer_map_acl() - the IDs in a "system.posix_acl_*" attribute as the receiving side numbers them
 * Return: 0; -EINVAL it is none. */
int transfer_map_acl(const Transfer *t, void *acl, size_t n);
/** transfer_copy_meta() - carry access lists and attributes of users
 * Attributes that a file system keeps to itself, or that give rights (security.*, trusted.*), stay behind.
 * Where attributes of users cannot be had they are left out; access lists may not be.
 * @from: O_PATH will do. Return: 0 or -errno. */
int transfer_copy_meta(const Transfer *t, int from, int to);
