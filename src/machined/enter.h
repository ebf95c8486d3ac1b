/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways into a machine, for workers: its root directory, its namespaces, its terminal devices. */
#pragma once

#include "base/handshake.h"
#include "base/name.h"
#include "machined/machine.h"

/* A machine as a worker needs it: what survives fork() and closing of descriptors. */
typedef struct Target {
        char name[HOST_NAME_LENGTH_MAX + 1];
        pid_t pid; /* 1 = the host itself */
        int pidfd; /* -EBADF for the host */
} Target;

/** target_of() - the leader of @machine */
Target target_of(const Machine *machine);
/** target_open_root() - O_PATH descriptor of the machine's root, for *_in_root() lookups
 * Return: a descriptor; -ESRCH = the machine has ended; -errno. */
int target_open_root(const Target *t, Error *e);
