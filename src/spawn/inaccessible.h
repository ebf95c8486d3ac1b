/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hides things of the image on demand: --inaccessible=. */
#pragma once

#include "spawn/run.h"

/** inaccessible_apply() - put a node of the same kind that nobody may use over a path of the machine, and
 * look whether it is what is seen there then
 * Needs /run/host/inaccessible. Symlinks are followed as the machine would.
 * @attributes: MOUNT_ATTR_* of the mount
 * Return: 0; -ENOENT there is nothing to be hidden; -errno. */
int inaccessible_apply(const char *path, uint64_t attributes, const Run *run, Error *e);
