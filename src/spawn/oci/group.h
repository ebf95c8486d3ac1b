/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control group of a container, as commands on it need it: who is in it, stopping and killing them. */
#pragma once

#include <sys/types.h>

#include "spawn/oci/container.h"

/** group_open() - its directory
 * Return: a descriptor; -ENOENT it has none of its own; -errno. */
int group_open(const Container *c, Error *e);
/** group_pids() - processes of the container; without a group of its own, PID 1
 * Return: 0 or -errno. */
int group_pids(const Container *c, pid_t **ret, size_t *ret_n, Error *e);
/** group_signal() - send a signal to all of them
 * Return: 0, also when there are none; -errno. */
int group_signal(const Container *c, int signal, Error *e);
/** group_freeze() - stop them all, or let them go on, and wait until that is so
 * Return: 0 or -errno. */
int group_freeze(const Container *c, bool frozen, Error *e);
