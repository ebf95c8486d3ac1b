/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a stack, for who wants to know what system is in it, and a hand into one that is nobody's yet. */
#pragma once

#include "base/error.h"

/** stack_root_open() - the root of a stack, read-only
 * Its layers are put together in a mount namespace that the caller gets for it: for short-lived processes.
 * Return: a directory; -ENOMEDIUM it has no layers; as disk_root_open(); other -errno. */
int stack_root_open(const char *path, Error *e);

/** stack_root_attach_writable() - the root of a stack, which writes to the stack's own layer or root
 * For a process with a mount namespace of its own, with which it goes. Who writes to it makes sure that nobody
 * else has the stack.
 * Return: a directory; -EROFS it has neither, or shares it with others; as above. */
int stack_root_attach_writable(const char *path, Error *e);
