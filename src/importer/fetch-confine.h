/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left to the process that talks to servers: sockets of the internet, the descriptors it is handed, and a
 * few files of the host that name servers and authorities are in. */
#pragma once

#include "base/error.h"

/** confine_fetcher() - give up all else
 * The process must have one thread; later ones are confined like it. Return: 0 or -errno. */
int confine_fetcher(Error *e);
