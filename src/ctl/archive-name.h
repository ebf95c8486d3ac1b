/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to call an image after the file it comes from. */
#pragma once

/** archive_name() - "/x/debian-12.tar.xz" is "debian-12"
 * Return: a new string, never empty unless @path ends in '/'; NULL = out of memory. */
char *archive_name(const char *path);
