/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From names of machines to addresses, and back. */
#pragma once

#include "base/name.h"
#include "nss/answer.h"

enum {
        LOOKUP_NONE = 1,    /* positive outcome: no machine has that name, or address */
        LOOKUP_NO_DATA = 2, /* there is such a machine, and it has no address that could be told */
};

/** lookup_name() - the addresses of a machine, those first that one would try first
 * Return: 0; LOOKUP_NONE; LOOKUP_NO_DATA; -ETIMEDOUT; -errno. */
int lookup_name(const char *name, HostAddresses *ret);
/** lookup_address() - the machine that has an address
 * Only machines at the interface that leads to the address are asked, so that none can say that it has
 * an address which is somewhere else.
 * Return: 0; LOOKUP_NONE; -ETIMEDOUT; -errno. */
int lookup_address(const Ip *ip, char ret[static HOST_NAME_LENGTH_MAX + 1]);
