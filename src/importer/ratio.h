/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands behind a filter and ends the transfer when far more comes out of it than went in: a few kilobytes
 * that become a disk full. */
#pragma once

#include <stdatomic.h>

#include "importer/stage.h"

/* Less than this may come out of anything. */
#define RATIO_FREE_BYTES ((uint64_t) 64 * 1024 * 1024)

/** ratio_new() - a stage that lets bytes through, as many as that
 * @max:     bytes for each byte that went in
 * @ret_in:  to be counted up by whoever feeds the filter; lives as long as the stage
 * @next:    owned from the call on, also on failure
 * Return: 0 or -errno. */
int ratio_new(unsigned max, Stage *next, _Atomic uint64_t **ret_in, Stage **ret, Error *e);
