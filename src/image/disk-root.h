/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a disk image, for who wants to know what system is in it. */
#pragma once

#include "base/error.h"

/** disk_root_open() - the root of a disk image, read-only, mounted where nobody else can see it
 * It is gone when the descriptor is closed. Protection of the image is not looked at, and not undone: what is
 * read through this says what the image claims to be.
 * Return: a directory; -EOPNOTSUPP its root is encrypted; -ENOMEDIUM it has none; other -errno. */
int disk_root_open(const char *path, Error *e);
