/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses that a network namespace has, in the order in which one would want to use them. */
#pragma once

#include <netinet/in.h>

#include "base/error.h"

typedef struct Address {
        int family; /* AF_INET or AF_INET6 */
        int ifindex;
        uint8_t scope; /* RT_SCOPE_… */
        uint8_t bytes[16];
} Address;

/** address_size() - 4 or 16 */
static inline size_t address_size(const Address *a) {
        return a->family == AF_INET ? 4 : 16;
}

/** address_list() - addresses of the network namespace that this thread is in
 * Those that are not (or no longer) to be used, and those that mean the host itself, are left out.
 * IPv4 first, then by scope (global first), interface and bytes; no doubles.
 * Return: 0 or -errno. */
int address_list(Address **ret, size_t *ret_n, Error *e);
