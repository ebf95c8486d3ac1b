/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's transfers and what happens to them. What is called over the bus is in import-bus.c. */
#pragma once

#include "bus/daemon.h"
#include "importer/transfer.h"

#define TRANSFERS_MAX 64

typedef struct ImportManager ImportManager;

/* A transfer with what watches it. */
typedef struct Watched {
        ImportManager *manager;
        Transfer *transfer;
        sd_event_source *log, *exit;
} Watched;

struct ImportManager {
        Daemon daemon;
        int state_fd; /* /run/skep/import */
        char *state_path;
        uint32_t last_id;
        Watched *watched[TRANSFERS_MAX]; /* the first n_watched, oldest first */
        size_t n_watched;
        sd_event_source
                *sweep; /* the worker that removes what crashes left; NULL = it is through */
        pid_t sweep_pid;
        int sweep_pidfd;
};

/** import_manager_init() - open the state folder, making it if it is missing
 * @m: zeroed, with its daemon initialised. Return: 0 or -errno; import_manager_done() it either way. */
int import_manager_init(ImportManager *m, Error *e);
/** import_manager_done() - forget all; workers go on */
void import_manager_done(ImportManager *m);
/** import_manager_load() - take over the transfers of an earlier daemon, start to sweep the pool
 * What became of those that ended meanwhile is announced once the bus name is ours. What cannot be taken
 * over is reported and removed. Return: 0 or -errno. */
int import_manager_load(ImportManager *m, Error *e);
/** import_manager_is_idle() - for daemon_set_idle_exit(); takes an ImportManager */
bool import_manager_is_idle(void *m);

/** import_manager_start() - start a transfer and announce it
 * Return: 0; -E2BIG = too many; -ERR_TRANSFER_IN_PROGRESS = one to that name is running; -errno. */
int import_manager_start(ImportManager *m, ImageClass class, const char *local, TransferFlags flags,
                         int source_fd, Transfer **ret, Error *e);
/** import_manager_find() - NULL = there is no such transfer */
Watched *import_manager_find(const ImportManager *m, uint32_t id);

/** transfer_path() - a transfer's object path; NULL = out of memory */
char *transfer_path(uint32_t id);
/** import_bus_add() - put the objects on the bus. Return: 0 or -errno. */
int import_bus_add(ImportManager *m, Error *e);
