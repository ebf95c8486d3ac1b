/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of mounts that the kernel writes down in /proc/PID/mountinfo. */
#pragma once

#include "base/macro.h"

#define MOUNT_INFO_MAX ((size_t) 64 * 1024 * 1024)

/** mount_info_find() - where a mount is, by the text of a mountinfo file. Pure but for memory.
 * @mount_id: as statx() has it
 * @ret:      its place, a new string
 * @ret_type: of its file system, likewise; may be NULL
 * Return: 0; -ENOENT; -ENOMEM. */
int mount_info_find(const char *text, uint64_t mount_id, char **ret, char **ret_type);
