/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holding ports of the host: nobody else can use them while a machine has them, and who wants one that is
 * in use is told so. */
#pragma once

#include "net/port.h"

/* Past so many ports of a machine the others are only looked at, and not held. */
#define PORT_HOLD_MAX 1024

/** port_hold() - take the ports of a machine
 * Whoever holds a packet's port, it is translated before any socket of the host sees it.
 * @ret:    descriptor that they are held by; -EBADF = there are none
 * @notes:  sentences for the user, appended
 * Return: 0; -EADDRINUSE with @which set to the value that is meant; -errno. */
int port_hold(const PortList *l, int *ret, const Port **which, Buf *notes, Error *e);
