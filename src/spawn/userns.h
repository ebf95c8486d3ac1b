/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* User namespaces that nobody lives in: they hold an ID map for a mount. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/** userns_new() - make a user namespace with a map of one line
 * @uid, @gid:  IDs as they are on disk; @to_uid, @to_gid: the host's IDs they are shown as
 * @n:          how many, from there on
 * Return: its descriptor or -errno. */
int userns_new(uid_t uid, uid_t to_uid, gid_t gid, gid_t to_gid, uint32_t n, Error *e);

/** userns_write_maps() - write the maps of a process that has just got a user namespace */
int userns_write_maps(pid_t pid, uid_t uid, uid_t to_uid, gid_t gid, gid_t to_gid, uint32_t n,
                      Error *e);
/** userns_open() - open the user namespace of a process. Return: its descriptor or -errno. */
int userns_open(pid_t pid, Error *e);
