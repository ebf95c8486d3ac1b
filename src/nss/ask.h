/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call over varlink, from within a process that knows nothing of it. */
#pragma once

#include <sys/types.h>

#include "base/macro.h"

/** ask() - send a message to a socket, and take the one that comes back
 * @uid:           whose the other end has to be; UID_INVALID = the path says enough
 * @message:       without the NUL that ends it on the wire
 * @deadline_usec: when to give up, of now_usec()
 * Return: 0 and text; -ETIMEDOUT; -EDEADLK the other end is ourselves; -EPERM it is somebody else's;
 * -EMSGSIZE; -errno (-ENOENT, -ECONNREFUSED: nobody is there). */
int ask(const char *path, uid_t uid, const char *message, uint64_t deadline_usec, char **ret);

#define UID_INVALID ((uid_t) -1)
