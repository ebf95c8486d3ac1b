/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stays resident while a machine runs: waits for PID 1, pumps the console, relays readiness,
 * turns signals into the payload's kill signal. Small on purpose. */
#pragma once

#include <signal.h>

#include "spawn/run.h"

/** keeper_prepare() - before each start: make the notify socket (run->notify_fd, unbound;
 * SO_PASSCRED is set here, the builder binds it), block the signals that keeper_run() takes and
 * ignore SIGPIPE; children take that back.
 * Return: 0 or -errno. */
int keeper_prepare(const Spec *spec, Run *run, Error *e);

/* How a start of the payload ended. */
typedef enum KeeperResult {
        KEEPER_EXITED, /* *ret_status is what we exit with */
        KEEPER_REBOOT, /* PID 1 asked for a reboot (SIGHUP) */
        _KEEPER_RESULT_MAX,
} KeeperResult;

/** keeper_run() - stay until PID 1 has ended and is reaped
 *
 * SIGTERM, SIGINT and SIGHUP ask PID 1 to shut down, the second of them kills it; without a signal to ask
 * with, so does the first.
 *
 * @run:         leader_fd and console_fd as the handshake filled them; run->leader becomes 0
 * @ret_status:  exit status: payload's own (133 becomes 1); 0 for a power-off; 128+N killed by
 *               signal N
 * Return: a KeeperResult or -errno. */
int keeper_run(const Spec *spec, Run *run, int *ret_status, Error *e);

/** keeper_shutdown_signal() - what asks PID 1 to shut down; SIGKILL if nothing does */
int keeper_shutdown_signal(const Spec *spec);

/** keeper_status() - what we exit with, from how PID 1 ended
 * @info: as waitid(2) filled it
 * Return: a KeeperResult. */
KeeperResult keeper_status(const siginfo_t *info, int *ret_status);
