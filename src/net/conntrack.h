/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections that the kernel remembers. One without an end, as of UDP, goes the way that its first packet took
 * for as long as packets come, whatever the packet filter has been told since. */
#pragma once

#include "net/port.h"

/** conntrack_forget() - have those of UDP that came for certain ports be looked at anew
 * Return: 0 or -errno. */
int conntrack_forget(const PortList *ports);
