/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clones that are a layer on their original: a stack of a link to it and an empty directory for what is written,
 * made in no time on every file system. The original must not change below them, so it has to be read-only, and
 * cannot be removed, renamed or made writable until they are gone. */
#pragma once

#include "image/image.h"

/** layer_make() - make such a stack
 * @name: in @dir_fd, not there yet; for the caller to remove on failure
 * Return: a descriptor of the stack; -EROFS the original is writable; -EOPNOTSUPP it is a stack itself; -errno. */
int layer_make(const Image *original, int dir_fd, const char *name, Error *e);
/** layers_check_unused() - whether no stack in the pool has a layer in this image
 * Return: 0; -EBUSY, the message naming the first; -errno. */
int layers_check_unused(const Image *original, Error *e);
