/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to call an image after the file or the address that it comes from. */
#pragma once

#include <stdbool.h>

/** archive_name() - "/x/debian-12.tar.xz" is "debian-12"
 * @raw: it is a disk, not an archive: "/x/debian-12.raw.xz"
 * Return: a new string, never empty unless @path ends in '/'; NULL = out of memory. */
char *archive_name(const char *path, bool raw);
/** url_name() - likewise of a URL, whose query and fragment do not count; "" if it has no path */
char *url_name(const char *url, bool raw);
/** archive_format() - how a file is to be packed, after its name: a word of --format */
const char *archive_format(const char *path);
