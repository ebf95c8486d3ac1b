/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loop devices: a range of a file, or of a block device, as a block device of its own. Partitions get one
 * each, so that nothing has to wait for device nodes of partitions, or for who makes them. The kernel
 * takes a loop device back when it is closed and nothing is mounted from it, whoever dies. */
#pragma once

#include "base/error.h"

typedef struct LoopRange {
        uint64_t offset; /* bytes */
        uint64_t size;   /* bytes; 0 = to the end */
        uint32_t sector_size;
        bool read_only;
} LoopRange;

/** loop_attach() - make one
 * @fd:  file or block device, open for writing unless @range is read-only
 * Return: the device, open; -ENODEV this host has no loop devices, with @e saying so; -errno. */
int loop_attach(int fd, const LoopRange *range, Error *e);

#define BLOCK_PATH_MAX 64

/** block_path() - a path that leads to an open block device, for who can only take one
 * That of its node in /dev where there is one, else one that is good as long as @fd is open.
 * Return: @path. */
const char *block_path(int fd, char path[static BLOCK_PATH_MAX]);
