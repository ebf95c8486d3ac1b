/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine that is started at a terminal: two processes, so that the terminal can be left and the machine runs
 * on. The front stays in the foreground, has the terminal and carries the console; the supervisor is its child,
 * does all else, and lends it the console as it would lend it to a visitor (attach.h). When the front goes
 * without having said that this is meant, the machine ends.
 *
 *   supervisor → front   HANDSHAKE_FD 0: the console, with each boot; HANDSHAKE_ID 0: it has ended
 *   front → supervisor   HANDSHAKE_PHASE with a FrontWish */
#pragma once

#include "spawn/spec.h"

typedef enum FrontWish {
        FRONT_EXIT,     /* end the machine */
        FRONT_POWEROFF, /* ask it to power off, */
        FRONT_REBOOT,   /* to reboot */
        FRONT_DETACH,   /* the front goes, the machine is to run on */
        _FRONT_WISH_MAX,
} FrontWish;

/** front_is_wanted() - whether a start has a terminal that it could leave
 * Not where a service manager starts it, for which the process it started is the one to speak to. */
bool front_is_wanted(const Spec *spec);

/** front_split() - fork
 * @ret_sock:   in the supervisor: the connection to the front
 * @ret_status: in the front: what to exit with
 * Return: 1 in the supervisor; 0 in the front, once all is over for it; -errno. */
int front_split(const Spec *spec, int *ret_sock, int *ret_status, Error *e);
