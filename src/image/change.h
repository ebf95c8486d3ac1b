/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to images: remove, rename, mark read-only. Each refuses what belongs to the system (-EROFS)
 * and what is still in use after a moment (-EBUSY). They may take long and block: daemons call them in a
 * worker. */
#pragma once

#include "image/image.h"
#include "image/lock.h"

/** image_remove() - remove an image, the files beside it, and its settings
 * Gone in one step for whoever looks: it is renamed to a temporary name, then taken apart. Of an entry
 * that is a symlink only the link goes, never what it points to. Settings go from /etc, /run and from
 * beside the image, never from /usr.
 * Return: 0; -EROFS; -EBUSY; -EOPNOTSUPP for a device that is no link in the pool; -errno. */
int image_remove(const Image *i, Error *e);
/** image_rename() - give an image another name, with the files beside it and its settings
 * Return: 0; -EEXIST the new name is taken somewhere in the pool; -EINVAL; as above. */
int image_rename(const Image *i, const char *new_name, Error *e);
/** image_set_read_only() - mark an image read-only, or writable again
 * Return: 0; -EROFS (also for hidden images); -EBUSY; -EOPNOTSUPP where the file system has no such
 * mark; -errno. */
int image_set_read_only(const Image *i, bool read_only, Error *e);

/** image_reserve_name() - take the lock of a name that no image in the pool has
 * @ret: to be held until the image is there
 * Return: 0; -EEXIST an image has it; -EBUSY somebody else is about to use it; -EINVAL; -errno. */
int image_reserve_name(const char *name, ImageLock **ret, Error *e);
