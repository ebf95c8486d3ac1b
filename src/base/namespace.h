/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Going where another process is: into its namespaces and its root directory, and under what limits it for
 * good. For who is to become, or to do something as, a process beside it. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

enum {
        NAMESPACE_USER = 1 << 0,  /* and become its root */
        NAMESPACE_FILES = 1 << 1, /* mount namespace and root directory */
        NAMESPACE_PIDS = 1 << 2,
        NAMESPACE_REST = 1 << 3, /* UTS, IPC, network, control group, time */
        NAMESPACE_ALL = NAMESPACE_USER | NAMESPACE_FILES | NAMESPACE_PIDS | NAMESPACE_REST,
};

/** namespace_differing() - which namespaces of a process are not those that we are in
 * @which:  NAMESPACE_* to look at
 * @ret:    CLONE_NEW…
 * Return: 0; -ESRCH; -errno. */
int namespace_differing(pid_t pid, unsigned which, int *ret);

/** namespace_enter() - this process goes into namespaces of another, never to come back
 *
 * With CLONE_NEWPID it is children that are inside. To be called in a process that has nothing of value
 * open and is not dumpable, which it stays.
 * @pidfd:    of who is inside
 * @clone:    as namespace_differing() gave it
 * @root_fd:  becomes "/" and the working directory; -EBADF = both stay
 * Return: 0; -ESRCH it has ended; -errno. */
int namespace_enter(int pidfd, int clone, int root_fd);

/* What /proc/PID/status says of that a process can never get rid of. */
typedef struct ProcessLimits {
        uint64_t bounding; /* 1 << CAP_* */
        bool no_new_privs;
        bool filtered; /* there is a filter of system calls */
        uid_t uid;     /* as we number it; effective */
} ProcessLimits;

/** process_limits_parse() - the text of such a file. Return: 0; -ENODATA; -EINVAL. */
int process_limits_parse(const char *text, ProcessLimits *ret);
/** process_limits_read() - Return: 0; -ESRCH; -errno. */
int process_limits_read(pid_t pid, ProcessLimits *ret);
/** process_limits_apply() - take on bounding set and no_new_privs; we have the rights of root
 * Return: 0 or -errno. */
int process_limits_apply(const ProcessLimits *l);
/** process_drop_bounding() - lose what is not in @keep from the bounding set. Return: 0 or -errno. */
int process_drop_bounding(uint64_t keep);
