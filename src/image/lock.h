/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks on images, at the paths and of the kind that systemd-nspawn and systemd-machined use, so that
 * both families see each other's. $SYSTEMD_NSPAWN_LOCK=0 turns them off, for them and for us. */
#pragma once

#include "base/error.h"

/* Where the lock files are that do not lie beside their images. */
#define IMAGE_LOCK_DIR "/run/systemd/nspawn/locks"

typedef struct ImageLock ImageLock;

enum {
        IMAGE_LOCK_BUSY = 1, /* positive outcome: somebody else holds it */
};

/** image_lock() - take the lock of an image; waits for nobody who keeps it
 * @path:       where the image lies, absolute, symlinks resolved (Image.path)
 * @exclusive:  true keeps everybody else away; false only those who want it exclusively
 * @ret:        the lock, owned by the caller; NULL when there is nothing to lock ("/" shared, locks
 *              turned off), which image_lock_free() takes as well
 * Return: 0 locked; IMAGE_LOCK_BUSY, @ret untouched; -errno. */
int image_lock(const char *path, bool exclusive, ImageLock **ret, Error *e);
/** image_lock_name() - take the exclusive lock of a name that an image is about to get; never waits
 * Return: as image_lock(); ".host" is always busy. */
int image_lock_name(const char *name, ImageLock **ret, Error *e);
/** image_lock_free() - let go and free; takes NULL. Return: NULL.
 * The lock is the descriptors': it also ends when the last process that has them is gone, and it is
 * kept by children that inherit them across fork(). */
ImageLock *image_lock_free(ImageLock *l);
DEFINE_CLEANUP(ImageLock *, image_lock_free)
#define _cleanup_image_lock_ _cleanup_(image_lock_freep)

/** image_lock_fds() - the descriptors that hold the lock, for who closes all others (-EBADF = none)
 * They stay the lock's. */
void image_lock_fds(const ImageLock *l, int ret[static 2]);
