/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries out a mount plan, inside a mount namespace of our own. What is mounted in the image is made
 * detached and moved onto a descriptor of its target, what is mounted in file systems of ours is reached
 * from those; no path of the image is resolved twice, or outside it. */
#pragma once

#include "spawn/mount-plan.h"
#include "spawn/node-plan.h"

/** mount_open_sources() - PHASE_HOST: take detached copies of the host's files that will be bound
 * Fills run->source_fds. Return: 0 or -errno. */
int mount_open_sources(const MountPlan *plan, Run *run, Error *e);

/** mount_apply() - make the mounts of one phase below run->root_fd
 * @dev, @fill_run:  what goes into /dev and /run
 * Return: 0 or -errno. */
int mount_apply(const MountPlan *plan, Phase phase, const NodePlan *dev, const NodePlan *fill_run,
                Run *run, Error *e);

/** mount_new() - a detached mount of a new file system
 * @type, @options:  as for mount(8), without mount flags; options may be NULL
 * @attributes:      MOUNT_ATTR_*
 * Return: the mount, or -errno with the kernel's own words in @e. */
int mount_new(const char *type, const char *options, uint64_t attributes, Error *e);

/** mount_act_as() - make files and directories as this ID of the host; 0 = as ourselves again
 * A mount that maps IDs takes new files only from owners that it knows, and the host's root is none. Our
 * capabilities stay. Return: 0 or -errno. */
int mount_act_as(uid_t uid);

/** mount_attach() - move a detached mount onto what @target_fd is
 * Return: 0 or -errno. */
int mount_attach(int mount_fd, int target_fd);
/** mount_attach_at() - the same, onto a name below a directory; the last component is not followed */
int mount_attach_at(int mount_fd, int dir_fd, const char *name);
