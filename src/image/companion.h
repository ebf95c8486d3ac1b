/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What belongs to an image and goes with it: files beside it (NAME.roothash and the like) and settings
 * (NAME.nspawn and NAME.nspawn.d beside it, in /etc and in /run; never in /usr). None of them has to be there; the image has
 * been changed when they are, and what fails here is not worth failing for. */
#pragma once

#include "base/error.h"

/** companion_is_one() - whether the name of a file says that it goes with an image */
bool companion_is_one(const char *entry);
/** companions_remove() - remove them
 * @dir_fd: directory of the image's entry, here and below */
void companions_remove(int dir_fd, const char *name);
/** companions_rename() - rename them, each in its own directory */
void companions_rename(int dir_fd, const char *name, const char *new_name);
/** companions_copy() - copy them; those beside the image go beside the new one
 * @to_fd: directory of the new entry */
void companions_copy(int dir_fd, const char *name, int to_fd, const char *new_name);
