/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names as archives spell them, made into names that can only lead down. */
#pragma once

#include "base/error.h"

#define ENTRY_PATH_MAX  4096 /* with the NUL */
#define ENTRY_DEPTH_MAX 512  /* a descriptor for each has to be had */

/** entry_path_clean() - drop "./" and doubled slashes; refuse whatever does not lead down
 * @path:  as the archive has it
 * @ret:   the same place as "a/b/c"; "" is the root of the tree
 * Return: 0; -EINVAL = absolute, or has a ".."; -ENAMETOOLONG = a component is longer than 255 bytes or
 * the whole too long or too deep; the text in @e does not name the entry. */
int entry_path_clean(const char *path, char ret[static ENTRY_PATH_MAX], Error *e);
