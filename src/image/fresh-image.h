/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a copied image a system of its own, whatever it lies in. */
#pragma once

#include "image/image.h"

/** fresh_image() - do what fresh_tree() does to the system in a disk image or a stack
 * By a child that has it mounted where nobody else sees it, and that can touch nothing else; when this returns,
 * all is written and nothing is mounted any more.
 * @path:     the image, which nobody else has or looks for yet
 * @type:     IMAGE_RAW or IMAGE_MSTACK
 * @hostname: as for fresh_tree()
 * Return: 0; -EROFS it is of a kind that is never written to, or shared with others; -ENOMEDIUM it has no root;
 * -EOPNOTSUPP; -errno. */
int fresh_image(const char *path, ImageType type, const char *hostname, Error *e);
