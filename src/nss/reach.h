/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the kernel would send something. */
#pragma once

#include "net/ip.h"

/** reach_link() - the interface at which an address is, with nobody in between
 * @sock: of netlink_open()
 * Return: 1; 0 it is elsewhere: behind a gateway, our own, nowhere; -errno. */
int reach_link(int sock, const Ip *ip, uint32_t *ret);
/** reach_is_at() - whether an interface is another one, or a port of it
 * Return: 1 or 0; -errno. */
int reach_is_at(int sock, uint32_t port, uint32_t link);
