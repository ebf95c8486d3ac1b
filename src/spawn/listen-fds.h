/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that a service manager opened for us are the payload's: sockets that it listens on. */
#pragma once

#include "base/error.h"

/* Before the names of descriptors that the service manager keeps for a payload. */
#define PAYLOAD_FD "payload-"

typedef struct ListenFds {
        unsigned n;        /* descriptors 3, 4, …; they stay where they are */
        const char *names; /* $LISTEN_FDNAMES; NULL = none */
} ListenFds;

/** listen_fds_get() - those that we were given; nothing is opened or changed */
ListenFds listen_fds_get(void);
/** listen_fds_environment() - tell the payload of them
 * @pid: its PID inside
 * Return: 0 or -ENOMEM. */
int listen_fds_environment(const ListenFds *fds, unsigned pid, char ***env);
/** listen_fds_pass() - let them survive the execution that comes next
 * @more: and so many after them
 * Return: 0 or -errno. */
int listen_fds_pass(const ListenFds *fds, unsigned more, Error *e);
