/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that the worker forks for what handles foreign bytes: it confines itself, does its work and
 * ends. It can be killed at any moment without harm; what becomes of its work is the worker's to say. */
#pragma once

#include <stdatomic.h>

#include "importer/output.h"

/* Shared between the two processes; first member of what a kind of work shares besides. */
typedef struct HelperState {
        _Atomic uint64_t done;  /* bytes */
        _Atomic uint64_t total; /* likewise; RECORD_UNKNOWN */
        _Atomic int phase;      /* Phase */
        Error error;            /* what it died of, when it exits with a failure */
} HelperState;

typedef struct Helper {
        const char *name; /* "the unpacker" */
        /* The work, in the new process. Return: 0 or -errno. */
        int (*run)(void *context, HelperState *state, Error *e);
        void *context;   /* of run() */
        const int *keep; /* descriptors that it needs; all others are closed */
        size_t n_keep;
} Helper;

/** helper_state_new() - @size: of the type that HelperState is the first member of. Return: zeroes, all
 * of it shared; NULL = no memory. */
void *helper_state_new(size_t size);
/** helper_state_free() - takes NULL */
void helper_state_free(void *state, size_t size);

/** helper_start() - fork
 * It dies with the caller. The caller must have one thread and have SIGTERM and SIGINT blocked.
 * @ret_pidfd:  helper_result() it
 * Return: 0 or -errno. */
int helper_start(const Helper *h, HelperState *state, int *ret_pidfd, Error *e);
/** helper_watch() - wait for its end, telling how far it is
 * @cancel_fd:  as from cancel_open(); a signal there kills it
 * Return: 0 it ended; > 0 the signal's number; -errno, and it was killed. */
int helper_watch(int pidfd, int cancel_fd, const HelperState *state, Output *o, Error *e);
/** helper_result() - how it ended, waiting for that. Return: 0 or -errno. */
int helper_result(const Helper *h, const HelperState *state, int pidfd, Error *e);
/** helper_run() - all three, one after another. Return: 0; > 0 a signal's number; -errno. */
int helper_run(const Helper *h, HelperState *state, int cancel_fd, Output *o, Error *e);

/** cancel_open() - a descriptor by which SIGTERM, SIGINT and SIGHUP come, which the caller has blocked
 * Return: it, or -errno. */
int cancel_open(Error *e);
/** cancel_take() - the number of a signal that came, or 0 */
int cancel_take(int cancel_fd);
