/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A transfer that is looked at until it has ended: progress as a bar or as JSON lines, what the importer
 * complains of, and what becomes of it when somebody presses Ctrl-C. */
#pragma once

#include "app/progress.h"
#include "ctl/ctl.h"

/* How the looking ended. */
typedef enum TransferEnd {
        TRANSFER_END_DONE,
        TRANSFER_END_CANCELED, /* by somebody who was asked here */
        TRANSFER_END_LEFT,     /* it goes on without us */
} TransferEnd;

typedef struct TransferWatch {
        Ctl *c;
        const char *name;    /* what is shown of it, borrowed */
        char *own_name;      /* where it had to be asked for */
        bool stdout_is_data; /* nothing else may be printed there */
        uint32_t id;
        char *path;    /* NULL before the answer */
        char *result;  /* NULL before the end */
        char *problem; /* what the worker complained of first */
        char *phase;   /* NULL = unknown */
        ProgressState state;
        Progress *progress;
        bool json;          /* lines instead of the bar */
        uint64_t told_usec; /* when the last of them was written */
        int told_percent;
        uint64_t asked_usec;
        bool asking;
        bool told;       /* progress comes by itself, no need to ask */
        bool detailed;   /* bytes and rate come from the service */
        bool cancelling; /* somebody here has asked for it */
} TransferWatch;

/** transfer_watch_init() - listen, before the call that starts the transfer
 * @name: borrowed
 * @total: bytes, if known; else UINT64_MAX
 * Return: 0 or -errno; clean up with transfer_watch_done() either way. */
int transfer_watch_init(TransferWatch *t, Ctl *c, const char *name, uint64_t total, Error *e);
void transfer_watch_done(TransferWatch *t);
/** transfer_watch_set() - say which it is. Return: 0 or -ENOMEM. */
int transfer_watch_set(TransferWatch *t, uint32_t id, const char *path, Error *e);
/** transfer_watch_find() - look at one that runs already, or has ended, whatever its name
 * Return: 0; -ERR_NO_SUCH_TRANSFER; -errno. */
int transfer_watch_find(TransferWatch *t, uint32_t id, Error *e);
/** transfer_watch_run() - look on until the end
 * Return: TransferEnd; -EIO the transfer failed, or was cancelled elsewhere; other -errno. */
int transfer_watch_run(TransferWatch *t, Error *e);
