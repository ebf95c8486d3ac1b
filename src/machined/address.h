/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses that a network namespace has, in the order in which one would want to use them. */
#pragma once

#include <netinet/in.h>

#include "base/error.h"
#include "machined/guest-link.h"

typedef struct Address {
        int family; /* AF_INET or AF_INET6 */
        int ifindex;
        uint8_t scope; /* RT_SCOPE_… */
        uint8_t bytes[16];
        bool leads_out; /* of an interface by which one gets there */
} Address;

/** address_size() - 4 or 16 */
static inline size_t address_size(const Address *a) {
        return a->family == AF_INET ? 4 : 16;
}

/** address_list() - addresses of the network namespace that this thread is in
 * Those that are not (or no longer) to be used, and those that mean the host itself, are left out.
 * @links: its interfaces, marked; empty = all are alike
 * Return: 0 or -errno. */
int address_list(const GuestLinks *links, Address **ret, size_t *ret_n, Error *e);
/** address_order() - put addresses in the order in which they are to be tried, and drop what would not do
 * Those of interfaces that lead out come first, then global ones before those of a link, IPv4 before IPv6.
 * Bridges that a machine has made for itself have none that anybody outside could use. Pure.
 * Return: how many are left. */
size_t address_order(const GuestLinks *links, Address *v, size_t n);
