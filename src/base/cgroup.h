/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cgroup2 tree: where it is mounted, which group a process is in. Version 1 trees are not ours. */
#pragma once

#include "base/proc.h"

/** cgroup_mount() - mount point of cgroup2: /sys/fs/cgroup, or what mountinfo tells (hybrid hosts have
 * it at /sys/fs/cgroup/unified)
 * Return: 0 and a new string; -ENOENT = no cgroup2 is mounted; -errno. */
int cgroup_mount(char **ret);
/** cgroup_of_pid() - path of a process in the cgroup2 tree as seen from our cgroup namespace, "/…"
 * @pid: 0 = ourselves
 * Return: 0; -ENODATA = none; -ESRCH; -errno. */
int cgroup_of_pid(pid_t pid, char **ret);
/** cgroup_parse_self() - the "0::" line out of the text of /proc/PID/cgroup. Return: as above. */
int cgroup_parse_self(const char *text, char **ret);
/** cgroup_unit_of_path() - systemd unit that a cgroup path belongs to
 * The last component that is a unit name ending in .service, .scope, … on the way down; escapes ("_"
 * prefix) are undone.
 * For a process that is about its user (home_is_user()) these are the units of the user's manager.
 * @ret_unit:  "foo.service", new string
 * @ret_rest:  what follows the unit, "" or "/sub/group", new string; may be NULL
 * Return: 0; -ENXIO = in no unit; -ENOMEM. */
int cgroup_unit_of_path(const char *path, char **ret_unit, char **ret_rest);
