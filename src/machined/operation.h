/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work that may take long, or that touches what a guest controls, is done by a forked worker; the daemon
 * gets descriptors, numbers and a text back, or one Error, and answers the call then. */
#pragma once

#include "base/text.h"
#include "machined/manager.h"

#define OPERATIONS_MAX     64
#define OPERATION_FDS_MAX  2
#define OPERATION_TEXT_MAX (1024 * 1024)

/* What a worker has to give to the daemon. */
typedef struct WorkerOut {
        int sock;  /* handshake: HANDSHAKE_FD and HANDSHAKE_ID, numbered from 0 */
        int text;  /* file in memory for a text */
        Buf *here; /* takes the text where nothing was forked */
} WorkerOut;

typedef struct OperationResult {
        int fds[OPERATION_FDS_MAX]; /* -EBADF = not sent */
        uint64_t ids[OPERATION_FDS_MAX];
        char *text; /* NUL-terminated, never NULL */
        size_t n_text;
} OperationResult;

typedef struct OperationKind {
        const char *what; /* for messages: "reading the addresses" */
        /* In the worker: does it; must not touch the daemon's connections. With @is_session it tells
         * that the result is complete by operation_ready() and goes on living. */
        int (*work)(const void *arg, const WorkerOut *out, Error *e);
        /* In the daemon: answers the call. */
        int (*finish)(sd_bus_message *call, const OperationResult *result, Error *e);
        uint64_t timeout_usec; /* 0 = none */
        bool is_session;
} OperationKind;

/** operation_start() - fork a worker
 * @kind:    static
 * @call:    answered when the worker is done; the reference is taken
 * @machine: a machine whose end ends the work; may be NULL
 * @arg:     for the work, as it is now
 * @keep_fds, @n_keep: descriptors that @arg needs; all others are closed in the worker
 * Return: 0; -ENOBUFS too many are running; -errno. */
int operation_start(Manager *m, const OperationKind *kind, sd_bus_message *call, Machine *machine,
                    const void *arg, const int *keep_fds, size_t n_keep, Error *e);
/** operation_here() - do the work at once and in the daemon, where all that is looked at is the host's own
 * Return: 0; what the work or the answer returned. */
int operation_here(const OperationKind *kind, sd_bus_message *call, const void *arg, Error *e);
/** operation_forget_machine() - a machine goes: whoever waits for work on it is told so */
void operation_forget_machine(Manager *m, const Machine *machine);
/** operation_done_all() - kill the workers that somebody waits for; sessions stay */
void operation_done_all(Manager *m);

/** operation_send_text() - in the worker: give a text. Return: 0 or -errno. */
int operation_send_text(const WorkerOut *out, const void *text, size_t n);
/** operation_ready() - in the worker of a session: the result is complete. Return: 0 or -errno. */
int operation_ready(const WorkerOut *out);
