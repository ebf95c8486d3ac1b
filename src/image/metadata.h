/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a tree says of itself: host name, machine ID, os-release, machine-info. All paths are resolved
 * inside the tree; FIFOs, devices and files of unlikely size are refused, never waited for. */
#pragma once

#include "base/id128.h"
#include "base/text.h"

/** metadata_os_release() - /etc/os-release, else /usr/lib/os-release
 * @root_fd:  top of the tree, O_PATH is enough; here and below
 * @ret:      vector of "KEY=value", see os-release.h
 * Return: 0; -ENOENT = the tree has none; -errno. */
int metadata_os_release(int root_fd, char ***ret, Error *e);
/** metadata_machine_info() - /etc/machine-info
 * Return: 0; an empty vector (NULL) when the tree has none; -errno. */
int metadata_machine_info(int root_fd, char ***ret, Error *e);
/** metadata_hostname() - /etc/hostname
 * Return: 0; NULL when there is none or it holds no valid name; -errno. */
int metadata_hostname(int root_fd, char **ret, Error *e);
/** metadata_machine_id() - /etc/machine-id
 * Return: 0; the null ID when the file is missing, empty or "uninitialized"; -EINVAL; -errno. */
int metadata_machine_id(int root_fd, Id128 *ret, Error *e);
/** metadata_is_os_tree() - whether there is an os-release file, what a bootable tree must have
 * Return: 1 yes; 0 no; -errno. */
int metadata_is_os_tree(int root_fd, Error *e);
