/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that reads foreign bytes: confined, killed at any moment without harm. It fills one
 * directory; what becomes of that is its parent's to say. */
#pragma once

#include <sys/types.h>

#include "importer/sink-tar.h"
#include "importer/verify.h"

typedef struct UnpackJob {
        int source_fd;
        int target_fd;         /* the directory to fill */
        const char *place;     /* where that is, for errors */
        bool sync;             /* write everything to the disk at the end */
        const uint8_t *sha256; /* of the stream; NULL = any */
} UnpackJob;

/* Shared between the two processes. */
typedef struct UnpackState {
        _Atomic uint64_t read; /* bytes of the archive */
        SinkProgress sink;
        Error error; /* what the child died of, when it exits with a failure */
} UnpackState;

/** unpacker_start() - fork the unpacker
 * It dies with the caller. The caller must have one thread and have SIGTERM and SIGINT blocked.
 * @ret_state:  shared; munmap() it
 * @ret_pidfd:  proc_wait() it
 * Return: 0 or -errno. */
int unpacker_start(const UnpackJob *job, UnpackState **ret_state, int *ret_pidfd, Error *e);
/** unpacker_result() - how it ended, after proc_wait(). Return: 0 or -errno. */
int unpacker_result(const UnpackState *state, int pidfd, Error *e);
