/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the chain for exports: bytes are written to a descriptor, in large pieces. */
#pragma once

#include <stdatomic.h>

#include "importer/stage.h"

/** sink_fd_new() - @fd: borrowed. Return: 0 or -errno. */
int sink_fd_new(int fd, const char *place, Stage **ret, Error *e);
