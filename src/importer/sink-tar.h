/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the chain for archives of trees: reads tar and writes it below a directory. Runs in a
 * thread of its own, for the reader pulls and stages push. */
#pragma once

#include <stdatomic.h>

#include "importer/stage.h"
#include "importer/tree.h"

/* How far a sink is; read by another thread or, in shared memory, another process. */
typedef struct SinkProgress {
        _Atomic uint64_t entries;
        _Atomic uint64_t bytes;
        TreeSkipped skipped; /* complete when the sink has ended */
} SinkProgress;

/** sink_tar_new() - a stage that unpacks a tar stream
 * @root_fd:   an empty directory, borrowed; the caller's umask has to be 0
 * @class:     what it is for, see policy.h
 * @place:     where that is, for the text of errors
 * @progress:  borrowed; may be NULL
 * Return: 0 or -errno. */
int sink_tar_new(int root_fd, ImageClass class, const char *place, SinkProgress *progress,
                 Stage **ret, Error *e);
