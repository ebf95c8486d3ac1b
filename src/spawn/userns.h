/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* User namespaces that nobody lives in: they hold an ID map for a mount. */
#pragma once

#include "spawn/id-ranges.h"

/** userns_new() - make a user namespace
 * @uids, @gids:  its maps; for a mount: IDs as they are on disk inside, those they are shown as outside
 * Return: its descriptor or -errno. */
int userns_new(const IdRanges *uids, const IdRanges *gids, Error *e);
/** userns_new_owner() - the same, for one user and one group, all others being nobody's */
int userns_new_owner(uid_t uid, uid_t to_uid, gid_t gid, gid_t to_gid, Error *e);

/** userns_write_maps() - write the maps of a process that has just got a user namespace */
int userns_write_maps(pid_t pid, const IdRanges *uids, const IdRanges *gids, Error *e);
/** userns_open() - open the user namespace of a process. Return: its descriptor or -errno. */
int userns_open(pid_t pid, Error *e);

/** userns_read_maps() - which IDs of ours a user namespace has
 * @fd:  the namespace
 * Return: 0; -E2BIG more ranges than we can keep; -errno. */
int userns_read_maps(int fd, IdRanges *ret_uids, IdRanges *ret_gids, Error *e);

/** userns_drop_groups() - be in no supplementary group any more
 * Some namespaces forbid that; then it is enough to have none.
 * Return: 0 or -errno. */
int userns_drop_groups(void);

/** userns_is_first() - whether we are in the host's own, and not in one of a machine; true if nobody knows */
bool userns_is_first(void);
