/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a stream is packed, told from its first bytes. */
#pragma once

#include "base/macro.h"

typedef enum Format {
        FORMAT_PLAIN,
        FORMAT_GZIP,
        FORMAT_BZIP2,
        FORMAT_XZ,
        FORMAT_ZSTD,
        FORMAT_LZ4,
        _FORMAT_MAX,
} Format;

/* As many of the first bytes of a stream as format_detect() wants to see. */
#define FORMAT_MAGIC_MAX 6

/** format_detect() - what the first @n bytes of a stream look like
 * Return: a Format; -EOPNOTSUPP = a packing that is known but not understood here (old lz4, lzip). */
int format_detect(const void *data, size_t n);
/** format_name() - "gzip" and the like, as people call it */
const char *format_name(Format f);
/** format_strip_suffix() - length of @name without ".tar", ".tar.gz", ".tgz", ".raw.xz", ".qcow2" and so on */
size_t format_strip_suffix(const char *name);
/** format_from_suffix() - what a file that is called so is packed with; FORMAT_PLAIN if nothing is known */
Format format_from_suffix(const char *name);
