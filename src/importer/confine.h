/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the process that reads foreign bytes may still do: write below one directory. */
#pragma once

#include "base/error.h"

/** confine_unpacker() - give up all that unpacking a tree does not need
 * No network; every file system read-only but for @target_fd; nothing opened or made outside of it
 * (Landlock, where the kernel has it); of root's capabilities those that owners, modes, nodes and file
 * capabilities need; no way to gain more. Without root the first two are not to be had, and Landlock has
 * to be there. The process must have one thread.
 * @target_fd:  the directory to unpack in
 * @ret_fd:     the same directory, by the only way in that can be written to; the caller's
 * Return: 0 or -errno. */
int confine_unpacker(int target_fd, int *ret_fd, Error *e);
