/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to images: remove, rename, mark read-only. Each refuses what belongs to the system (-EROFS)
 * and what is still in use after a moment (-EBUSY). They may take long and block: daemons call them in a
 * worker. */
#pragma once

#include "image/image.h"
#include "image/lock.h"
#include "image/transaction.h"

typedef enum ImageFlags {
        IMAGE_KEEP_SETTINGS =
                1 << 0, /* remove: settings and what systemd was told of the machine stay */
        IMAGE_CLONE_READ_ONLY = 1 << 1,
        IMAGE_CLONE_FRESH =
                1 << 2, /* a machine of its own: no machine ID, no keys, another host name */
        IMAGE_CLONE_LAYER = 1 << 3, /* put a layer on the original rather than copy it */
} ImageFlags;

/* All locks that a change to an image needs: its own, or those of all its versions. */
typedef struct ImageHold {
        size_t n;
        ImageLock **items;
} ImageHold;

/** image_hold() - check that an image may be changed, and lock it: how every change begins
 * @hold: empty; image_hold_done() it on failure, too
 * Return: 0; -EROFS; -EBUSY; -EOPNOTSUPP; -errno. */
int image_hold(const Image *i, ImageHold *hold, Error *e);
/** image_hold_done() - let go; it is empty again */
void image_hold_done(ImageHold *hold);

/** image_plan_remove() - what image_remove() would do
 * @ret: steps, to be looked at; transaction_done() it
 * Return: 0; -EROFS; -EBUSY; -EOPNOTSUPP; -errno. */
int image_plan_remove(const Image *i, ImageFlags flags, Transaction *ret, Error *e);
/** image_plan_rename() - what image_rename() would do. Return: as image_rename(). */
int image_plan_rename(const Image *i, const char *new_name, Transaction *ret, Error *e);

/** image_remove() - remove an image, the files beside it, its settings, and the links that enable it
 * Gone in one step for whoever looks: it is renamed to a temporary name, then taken apart. Of an entry
 * that is a symlink only the link goes, never what it points to. Nothing is removed from /usr. Who is killed
 * has removed nothing, or leaves the rest to pool_recover().
 * @ret_units: may be NULL; set when systemd has to read its units again, here and below
 * Return: 0; -EROFS; -EBUSY also when other images are layers on it; -EOPNOTSUPP for a device that is no link
 * in the pool; -errno. */
int image_remove(const Image *i, ImageFlags flags, bool *ret_units, Error *e);
/** image_rename() - give an image another name, with all that belongs to it, in the same way
 * Return: 0; -EEXIST the new name is taken somewhere in the pool, or of one of its files; -EINVAL; as above. */
int image_rename(const Image *i, const char *new_name, bool *ret_units, Error *e);
/** image_set_read_only() - mark an image read-only, or writable again
 * Return: 0; -EROFS (also for hidden images); -EBUSY; -EOPNOTSUPP where the file system has no such
 * mark; -errno. */
int image_set_read_only(const Image *i, bool read_only, Error *e);

/** image_reserve_name() - take the lock of a name that no image in the pool has
 * @ret: to be held until the image is there
 * Return: 0; -EEXIST an image has it; -EBUSY somebody else is about to use it; -EINVAL; -errno. */
int image_reserve_name(const char *name, ImageLock **ret, Error *e);
