/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How files of an image come to belong to the IDs of its machine: by an ID map of the mount, or by giving
 * them all to that range. Then the upper 16 bits of every owner are replaced, in access lists and file
 * capabilities too, and the lower ones stay. */
#pragma once

#include <sys/mount.h>

#include "spawn/id-plan.h"

/** owners_set_attributes() - PHASE_BUILD: mount attributes of (part of) an image, with its ID map if it has one
 * Where the plan lets us, the files are given to the machine if their file system cannot map.
 * @userns_fd:  of the machine
 * @tree_fd:    a detached mount, which gets them with all that is mounted below it
 * @attr:       the other attributes; the ID map is added to it
 * Return: 0 or -errno. */
int owners_set_attributes(const IdPlan *ids, int userns_fd, int tree_fd, struct mount_attr *attr,
                          Error *e);

/** owners_change() - give a tree to the 65536 IDs from @base on
 * Costs two calls if the root of the tree belongs to them already. Until all is done the root belongs to
 * ID_INTERRUPTED_BASE, so that being killed on the way is seen and made good the next time. What is
 * mounted in the tree goes along, but for what is read-only or the kernel's.
 * @root_fd:  root of the tree, writable
 * @base:     its lower 16 bits are 0
 * Return: 0 or -errno. */
int owners_change(int root_fd, uid_t base, Error *e);

/** owners_change_acl() - the same for the text of a "system.posix_acl_*" attribute, in place
 * Return: 1 something changed, 0 nothing did, -EINVAL it is none. */
int owners_change_acl(void *acl, size_t n, uid_t base);
