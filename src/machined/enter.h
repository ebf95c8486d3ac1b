/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways into a machine, for workers: its root directory, its namespaces, its terminal devices. */
#pragma once

#include "base/handshake.h"
#include "base/name.h"
#include "base/namespace.h"
#include "machined/machine.h"

/* A machine as a worker needs it: what survives fork() and closing of descriptors. */
typedef struct Target {
        char name[HOST_NAME_LENGTH_MAX + 1];
        pid_t pid;         /* 1 = the host itself */
        int pidfd;         /* -EBADF for the host */
        const int *netifs; /* interfaces of the host that lead to it; the machine's */
        size_t n_netifs;
} Target;

/** target_of() - the leader of @machine */
Target target_of(const Machine *machine);
/** target_open_root() - O_PATH descriptor of the machine's root, for *_in_root() lookups
 * Return: a descriptor; -ESRCH = the machine has ended; -errno. */
int target_open_root(const Target *t, Error *e);

/** target_join() - this process goes into namespaces of the machine, never to come back
 * Namespaces that we share already are left out. With NAMESPACE_PIDS it is children that are inside. What
 * the leader could never do (its bounding set, no_new_privs) cannot be done afterwards either. To be
 * called in a child that has nothing of value open and is not dumpable.
 * @root_fd: as target_open_root() gave it
 * @flags:   NAMESPACE_*
 * Return: 0 or -errno. */
int target_join(const Target *t, int root_fd, unsigned flags, Error *e);
/** target_enter_mounts() - this process goes into the machine's mounts, as who it is
 * For workers that have something to mount there. They stay outside of its PID namespace, so that nobody
 * in there can touch them. Return: 0 or -errno. */
int target_enter_mounts(const Target *t, int root_fd, Error *e);
/** target_run_inside() - have a function run by a child that has joined, and take its descriptor
 * @f: sends HANDSHAKE_FD 0 on @sock. Return: 0 or -errno with @e set.
 * @ret_fd: the descriptor
 * Return: 0; what went wrong in the child; -errno. */
int target_run_inside(const Target *t, int root_fd, unsigned flags,
                      int (*f)(int root_fd, int sock, Error *e), int *ret_fd, Error *e);

/** target_shares_namespace() - whether the leader is in the same namespace as we are
 * @name: "user", "mnt", …
 * Return: 1, 0, -errno. */
int target_shares_namespace(const Target *t, const char *name, Error *e);
/** target_open_pty() - a terminal of the machine
 * @ret_path: "/dev/pts/N" in there
 * Return: the master or -errno. */
int target_open_pty(const Target *t, int root_fd, char **ret_path, Error *e);
/** target_take_ownership() - what this process makes from now on belongs to the machine's root
 * With our own capabilities: where a file system has mapped owners, the host's root is nobody who could
 * own a file. A machine without a root changes nothing. Return: 0 or -errno. */
int target_take_ownership(const IdMap *uids, const IdMap *gids, Error *e);
