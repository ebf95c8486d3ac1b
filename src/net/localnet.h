/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loopback addresses of the host and the interfaces towards machines: by itself the kernel lets no packet
 * from one leave, nor an answer to one come in. */
#pragma once

#include "net/netlink.h"

/** localnet_open() - let connections of the host's loopback be translated to behind an interface
 * Nothing else may pass by it: see port-rules.c for what keeps it so, which must be there before.
 * @sock: netlink socket of our namespace
 * @ret:  whether anything has been changed
 * Return: 0 or -errno. */
int localnet_open(int sock, const char *link, int index, bool *ret, Error *e);
/** localnet_close() - as it was before; the interface may be gone */
void localnet_close(int sock, const char *link);
