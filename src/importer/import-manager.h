/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's transfers and what happens to them. What is called over the bus is in import-bus.c. */
#pragma once

#include "bus/operation.h"
#include "importer/transfer-rate.h"
#include "importer/transfer.h"

#define TRANSFERS_MAX 64
#define HISTORY_MAX   128

typedef struct ImportManager ImportManager;
typedef struct ImportFront ImportFront;

/* A transfer with what watches it. */
typedef struct Watched {
        ImportManager *manager;
        Transfer *transfer;
        TransferRate rate;
        bool is_watched;       /* the sources below are there */
        bool is_changed;       /* there is something in its properties that was not told yet */
        uint64_t changed_usec; /* when they were told last */
        sd_event_source *log, *exit;
        sd_event_source *change; /* properties are going to be told */
        sd_event_source *kill;   /* it is going to be killed, for it does not give up by itself */
} Watched;

struct ImportManager {
        Daemon daemon;
        Operations operations;
        int state_fd; /* /run/skep/import */
        char *state_path;
        uint32_t last_id;
        uint64_t kill_usec; /* who is told to give up and has not after so long is killed */
        Watched *watched[TRANSFERS_MAX]; /* the first n_watched, by number */
        size_t n_watched;
        Transfer *ended[HISTORY_MAX]; /* the first n_ended, oldest first */
        size_t n_ended;
        sd_event_source
                *sweep; /* the worker that removes what crashes left; NULL = it is through */
        pid_t sweep_pid;
        int sweep_pidfd;
        bool sweep_again;   /* there is more to sweep since it began */
        ImportFront *front; /* varlink */
};

/** import_manager_init() - open the state folder, making it if it is missing
 * @m: zeroed, with its daemon initialised. Return: 0 or -errno; import_manager_done() it either way. */
int import_manager_init(ImportManager *m, Error *e);
/** import_manager_done() - forget all; workers go on */
void import_manager_done(ImportManager *m);
/** import_manager_load() - take over the transfers of an earlier daemon, start to sweep the pool
 * What became of them meanwhile is told once the bus name is ours. What cannot be taken over is reported and
 * removed. Return: 0 or -errno. */
int import_manager_load(ImportManager *m, Error *e);
/** import_manager_set_idle_exit() - leave when there was nothing to do for so long; UINT64_MAX = never */
void import_manager_set_idle_exit(ImportManager *m, uint64_t usec);

/** import_manager_start() - start a transfer and announce it
 * @request: checked
 * @fd:      the other end, borrowed; -EBADF = none
 * Return: 0; -E2BIG = too many; -ERR_TRANSFER_IN_PROGRESS = another makes the same image, or pulls from the
 * same place; -errno. */
int import_manager_start(ImportManager *m, const TransferRequest *request, int fd, Transfer **ret,
                         Error *e);
/** import_manager_find() - NULL = there is no such transfer */
Watched *import_manager_find(const ImportManager *m, uint32_t id);
/** import_manager_cancel() - have a transfer end. Return: 0, also if it has ended; -errno. */
int import_manager_cancel(ImportManager *m, Watched *w, Error *e);
/** import_manager_finish() - the worker is gone: say how it went, and forget */
void import_manager_finish(Watched *w);

/** watched_free() - let go of a transfer; takes NULL. Return: NULL. */
Watched *watched_free(Watched *w);
/** watched_start() - follow the worker. Return: 0 or -errno. */
int watched_start(Watched *w, Error *e);
/** watched_stop() - follow it no more; to be called before its descriptors are closed */
void watched_stop(Watched *w);
/** watched_pump() - pass on what the worker wrote since */
void watched_pump(Watched *w);
/** watched_arm() - kill the worker in a while, should it still be there */
void watched_arm(Watched *w);

/** transfer_path() - a transfer's object path; NULL = out of memory */
char *transfer_path(uint32_t id);
