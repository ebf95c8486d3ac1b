/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start of the chain: a descriptor that is read to its end. */
#pragma once

#include <stdatomic.h>

#include "importer/stage.h"

/** source_run() - push all that @fd yields, then end the chain
 * @fd:     a file, pipe or socket, from where it stands
 * @ret_n:  counts the bytes while they go; may be NULL
 * Return: 0 or -errno. */
int source_run(int fd, Stage *chain, _Atomic uint64_t *ret_n, Error *e);
