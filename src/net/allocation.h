/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Subnets and addresses that are picked by name: the same ones at each start, as long as nobody else has
 * them. Pure; what is taken, the caller knows. */
#pragma once

#include "base/id128.h"
#include "net/ip.h"

/* What is taken already. */
typedef struct AllocationTaken {
        IpPrefix *v;
        size_t n;
} AllocationTaken;

/** allocation_add() - Return: 0 or -ENOMEM. */
int allocation_add(AllocationTaken *t, const IpPrefix *p);
void allocation_done(AllocationTaken *t);

/** allocation_subnet() - pick a subnet
 * @family:  AF_INET: of the private ranges; AF_INET6: /64 of a prefix that is this host's own
 * @name:    what it is for
 * @host_id: the host's machine ID; null = none
 * @length:  of its prefix; of IPv6 always 64
 * @taken:   subnets that it must not overlap
 * Return: 0; -ENOSPC none is left. */
int allocation_subnet(int family, const char *name, const Id128 *host_id, unsigned length,
                      const AllocationTaken *taken, IpPrefix *ret);

/** allocation_address() - pick an address in a subnet
 * The first one is left to the gateway.
 * @taken: what lies in the subnet and is full-length is an address that is taken
 * @ret:   with the subnet's length
 * Return: 0; -ENOSPC none is left. */
int allocation_address(const IpPrefix *subnet, const char *name, const AllocationTaken *taken,
                       IpPrefix *ret);
