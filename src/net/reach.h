/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At which addresses a network namespace can be talked to from another, and by which interface. */
#pragma once

#include "net/ip.h"
#include "net/netlink.h"

/** reach_watch() - have a netlink socket be readable when addresses in its namespace have changed
 * Return: 0 or -errno. */
int reach_watch(int sock);
/** reach_changed() - whether that happened since the last call */
bool reach_changed(int watch);

/** reach_addresses() - addresses of a namespace that are settled, and neither loopback nor the link's alone
 * @sock:   netlink socket of that namespace
 * @ret:    at most @max of them, in the kernel's order
 * Return: how many; -errno. */
int reach_addresses(int sock, int family, Ip *ret, size_t max);
/** reach_link() - the interface by which packets to an address leave
 * @sock: netlink socket of the namespace that they come from
 * Return: its index; 0 = none: it is an address of that namespace itself, or there is no way; -errno. */
int reach_link(int sock, const Ip *to);
