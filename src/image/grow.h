/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a mounted file system fill the device that it lies on. */
#pragma once

#include "base/error.h"

/** grow_file_system() - let it fill @size bytes; one that does already stays as it is
 * @mount_fd:  any directory of it, on a writable mount; O_PATH will do
 * @type:      as the kernel calls it
 * @size:      of the device
 * Return: 0; -EOPNOTSUPP this file system cannot; -errno. */
int grow_file_system(int mount_fd, const char *type, uint64_t size);
