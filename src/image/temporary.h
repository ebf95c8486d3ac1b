/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names for what is not finished, or not yet gone, in a pool: ".#skep.NAME.HEX". Nobody lists them;
 * who works on one holds its image lock, or flock()s the directory or file; what nobody holds is left over and is
 * swept. */
#pragma once

#include "base/error.h"

/** temporary_name() - a fresh name to build or take apart the image @name under
 * Return: 0 and a new string; -errno. */
int temporary_name(const char *name, char **ret);
/** temporary_name_is_own() - whether a directory entry is such a name (lock files are not) */
bool temporary_name_is_own(const char *entry);
/** temporary_sweep() - remove what was left over in a directory
 * Touches own names only, and none that somebody holds.
 * @path: absolute path of the directory; nothing to do if it is missing
 * Return: number of entries removed, or the first -errno after having tried all. */
int temporary_sweep(const char *path, Error *e);
