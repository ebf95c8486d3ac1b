/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a stack, for who wants to know what system is in it. */
#pragma once

#include "base/error.h"

/** stack_root_open() - the root of a stack, read-only
 * Its layers are put together in a mount namespace that the caller gets for it: for short-lived processes.
 * Return: a directory; -EOPNOTSUPP a layer is a disk image; other -errno. */
int stack_root_open(const char *path, Error *e);
