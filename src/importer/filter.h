/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stages that unpack. All of them own @next from the call on (also on failure), find truncation when
 * the stream is ended, and name the offset in the packed stream at which it stops making sense. */
#pragma once

#include "importer/stage.h"

/* What decoding xz may take at all: 64 MiB of dictionary is the most that xz -9 makes. */
#define FILTER_XZ_MEMORY_MAX ((uint64_t) 1024 * 1024 * 1024)
/* What filters push at once. */
#define FILTER_OUTPUT_SIZE ((size_t) 256 * 1024)

/** filter_detect_new() - look at the first bytes, then be the filter that they ask for. Return: 0 or
 * -errno. */
int filter_detect_new(Stage *next, Stage **ret, Error *e);
/** filter_detect_limited_new() - the same, with a limit on how much may come out (ratio.h)
 * @max_ratio: bytes for each packed one; 0 = as many as there are */
int filter_detect_limited_new(unsigned max_ratio, Stage *next, Stage **ret, Error *e);

/* The filters themselves. filter_gzip_new() is in filter-gzip-isal.c or filter-gzip-zlib.c. */
int filter_gzip_new(Stage *next, Stage **ret, Error *e);
int filter_bzip2_new(Stage *next, Stage **ret, Error *e);
int filter_xz_new(Stage *next, Stage **ret, Error *e);
int filter_zstd_new(Stage *next, Stage **ret, Error *e);
int filter_lz4_new(Stage *next, Stage **ret, Error *e);
