/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New images made of old ones. */
#pragma once

#include "image/image.h"

/** image_clone() - make a copy of an image in the pool's main directory
 * A snapshot on btrfs; else a copy that shares its data with the original where the file system can. It
 * appears when it is complete. The original need not be idle: what is written meanwhile may or may not
 * be in the copy. The files beside the image and its settings are copied, too.
 * @read_only: mark the copy
 * Return: 0; -EEXIST the name is taken; -EBUSY; -EINVAL; -EOPNOTSUPP for devices; -errno, nothing
 * left. */
int image_clone(const Image *i, const char *new_name, bool read_only, Error *e);
