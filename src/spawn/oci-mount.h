/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What containers' mounts need that those of machines do not: options for a part of a tree, files that are covered,
 * mounts that are closed once all is in place. Called by mount.c for items that have a view. */
#pragma once

#include "spawn/mount-plan.h"

/** oci_mount_dress() - give a mount that is still detached what its options say
 * @existed:   the mount point was there before
 * @target_fd: it
 * Return: 0 or -errno. */
int oci_mount_dress(const MountItem *m, int fd, int target_fd, bool existed, Error *e);
/** oci_mount_cover() - MOUNT_COVER: hide a file or folder
 * A file becomes the null device of the host, whatever the container has in that place.
 * Return: 0, also when it is not there; -errno. */
int oci_mount_cover(const MountItem *m, const Run *run, Error *e);
/** oci_mount_close() - MOUNT_CLOSE: make a mount read-only. Return: 0 or -errno. */
int oci_mount_close(const MountItem *m, const Run *run, Error *e);

/** oci_mount_map() - PHASE_BUILD: map the IDs of binds that want it
 * With the host's rights, as the file systems are the host's. Return: 0 or -errno. */
int oci_mount_map(const MountPlan *plan, const Run *run, Error *e);

/** oci_mount_see() - whether what is mounted is what one sees at a path of the container
 * @fd: the mount, attached
 * Return: 0; -EPERM. */
int oci_mount_see(int fd, const char *path, const Run *run, Error *e);
