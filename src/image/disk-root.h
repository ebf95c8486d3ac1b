/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a disk image, for who wants to know what system is in it, and a hand into one that is nobody's yet. */
#pragma once

#include "base/error.h"

/** disk_root_open() - the root of a disk image, read-only, mounted where nobody else can see it
 * It is gone when the descriptor is closed. Protection of the image is not looked at, and not undone: what is
 * read through this says what the image claims to be.
 * Return: a directory; -EOPNOTSUPP its root is encrypted; -ENOMEDIUM it has none; other -errno. */
int disk_root_open(const char *path, Error *e);

/** disk_root_attach_writable() - the root of a disk image, with /var if that has a partition, to be written to
 * For a process with a mount namespace of its own, with which it goes. Who writes to it makes sure that nobody
 * else has the image.
 * @at: a directory to mount it on
 * Return: a directory; -EROFS it is of a kind that is never written to, or protected by hashes; as above. */
int disk_root_attach_writable(const char *path, const char *at, Error *e);
