/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stage that packs, on all processors. What comes out is one stream that every unpacker takes; where the packing
 * has them, in pieces (frames, blocks, members) that can be unpacked at the same time again. */
#pragma once

#include <limits.h>

#include "importer/format.h"
#include "importer/stage.h"

#define COMPRESS_LEVEL_DEFAULT INT_MIN

/** compress_check() - whether there is such a level
 * Return: 0; -EINVAL = no, and what there is in @e. */
int compress_check(Format f, int level, Error *e);
/** compress_new() - a stage that packs
 * @f:        FORMAT_PLAIN hands on what comes
 * @level:    checked, or COMPRESS_LEVEL_DEFAULT
 * @threads:  how many; 0 = as many as there are processors (and no more than PARALLEL_THREADS_MAX)
 * @next:     owned from the call on, also on failure
 * Return: 0 or -errno. */
int compress_new(Format f, int level, unsigned threads, Stage *next, Stage **ret, Error *e);
