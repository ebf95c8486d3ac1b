/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stays resident while a machine runs: waits for PID 1, pumps the console, relays readiness,
 * turns signals into the payload's kill signal. Small on purpose. */
#pragma once

#include "spawn/run.h"

/** keeper_prepare() - before the first start: make the notify socket (run->notify_fd, unbound;
 * SO_PASSCRED is set here, the builder binds it), block the signals that keeper_run() takes
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
 * @run:         leader_fd and console_fd as the handshake filled them; run->leader becomes 0
 * @ret_status:  exit status: payload's own; 0 for a power-off; 128+N killed by signal N
 * Return: a KeeperResult or -errno. */
int keeper_run(const Spec *spec, Run *run, int *ret_status, Error *e);
