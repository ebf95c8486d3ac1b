/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container of skep-oci: a directory ROOT/ID with the record of it, the gate that its payload waits at, and
 * the document it was made from. The directory itself is what concurrent commands lock. Nothing of it is kept
 * by a process: whether the container runs is asked of the kernel each time. */
#pragma once

#include "oci/state.h"

#define CONTAINER_ROOT   "/run/skep/oci"
#define CONTAINER_CONFIG "config.json" /* copy of the document */

typedef struct Container {
        char *id;
        int root_fd; /* ROOT */
        int dir_fd;  /* ROOT/ID */
        int pidfd;   /* of PID 1; -EBADF = there is none, or it has ended */
        OciState state;
} Container;

#define CONTAINER_NULL ((Container){ .root_fd = -EBADF, .dir_fd = -EBADF, .pidfd = -EBADF })

/** container_done() - free and unlock */
void container_done(Container *c);

/** container_make() - a new container's directory, locked, with nothing in it
 * Return: 0; -EEXIST; -EINVAL the name is not valid; -errno. */
int container_make(const char *root, const char *id, Container *ret, Error *e);
/** container_open() - find a container, without waiting for whoever is at work on it
 * Return: 0; -ENOENT there is none, or nobody has written down anything about it; -errno. */
int container_open(const char *root, const char *id, Container *ret, Error *e);
/** container_open_locked() - the same, and wait until nobody else is at work on it
 * One that was left half-made by somebody who died is found as well; its state may then hold an ID alone. */
int container_open_locked(const char *root, const char *id, Container *ret, Error *e);

/** container_unlock() - let others at it, who may remove it. Return: 0 or -errno. */
int container_unlock(Container *c, Error *e);
/** container_lock() - lock it again. Return: 0; -ENOENT it is gone; -errno. */
int container_lock(Container *c, Error *e);
/** container_save() - write down its state. Return: 0 or -errno. */
int container_save(Container *c, Error *e);
/** container_take_leader() - PID 1 is there: keep it, and put what tells it apart into the state
 * @pidfd: copied
 * Return: 0 or -errno. */
int container_take_leader(Container *c, pid_t pid, int pidfd, Error *e);
/** container_status() - what it is doing. Return: 0 or -errno. */
int container_status(Container *c, OciStatus *ret, Error *e);
/** container_signal() - send a signal to PID 1. Return: 0; -ESRCH; -errno. */
int container_signal(Container *c, int signal);
/** container_remove() - remove the directory, which unlocks it. Return: 0 or -errno. */
int container_remove(Container *c, Error *e);

/** container_make_gate() - the two FIFOs for a payload that is to wait
 * @ret_gate, @ret_outcome: as run->gate_fd and run->outcome_fd want them
 * Return: 0 or -errno. */
int container_make_gate(Container *c, int *ret_gate, int *ret_outcome, Error *e);
/** container_open_gate() - let the payload go
 * @ret_outcome:  where it then tells why it did not; end of file = it runs
 * Return: 0; -EALREADY it does not wait; -errno. */
int container_open_gate(Container *c, int *ret_outcome, Error *e);
