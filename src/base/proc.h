/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes: pidfds, clone3, what /proc tells of a process, ID maps. */
#pragma once

#include <linux/sched.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/fd.h"

/** proc_pidfd_open() - a pidfd (close-on-exec) of @pid. Return: the descriptor or -errno. */
int proc_pidfd_open(pid_t pid);
/** proc_pidfd_pid() - PID behind a pidfd in our PID namespace
 * Return: 0; -ESRCH = the process is gone; -EREMOTE = it is in another namespace, where we do not see it; -errno. */
int proc_pidfd_pid(int pidfd, pid_t *ret);
/** proc_pidfd_id() - the number that never comes again: inode of the pidfd in pidfs (Linux 6.9)
 * Return: 0; -EOPNOTSUPP on older kernels; -errno. */
int proc_pidfd_id(int pidfd, uint64_t *ret);
/** proc_pidfd_signal() - send a signal through a pidfd. Return: 0, -ESRCH, other -errno. */
int proc_pidfd_signal(int pidfd, int signal);
/** proc_pidfd_is_alive() - whether the process has not yet exited (a zombie is dead) */
bool proc_pidfd_is_alive(int pidfd);
/** proc_clone3() - clone3(2)
 * @args: the caller sets flags, cgroup and so on
 * Where clone3() is hidden and clone(2) can do the same, that is used.
 * Return: 0 in the child, the PID in the parent, -errno. */
pid_t proc_clone3(struct clone_args *args);
/** proc_wait() - wait for a child by pidfd, past EINTR. Return: 0 or -errno. */
int proc_wait(int pidfd, siginfo_t *ret);
/** proc_comm() - command name of a process. Return: 0 or -errno. */
int proc_comm(pid_t pid, char **ret);
/** proc_parent() - parent of a process; 0 for PID 1. Return: 0 or -errno. */
int proc_parent(pid_t pid, pid_t *ret);
/** proc_start_time() - when a process was started, in ticks since boot
 * Return: 0; -ESRCH; -errno. */
int proc_start_time(pid_t pid, uint64_t *ret);
/** proc_takes_signal() - whether a process catches a signal, or has it blocked to take it later
 * One that does neither loses it if it is the init of a PID namespace.
 * Return: 1 or 0; -errno. */
int proc_takes_signal(pid_t pid, int signal);
/** proc_uid() - real UID of a process. Return: 0 or -errno. */
int proc_uid(pid_t pid, uid_t *ret);
/** proc_ns_id() - inode of /proc/PID/ns/@name (pid 0 = ourselves). Return: 0 or -errno. */
int proc_ns_id(pid_t pid, const char *name, uint64_t *ret);

/* One line of a uid_map or gid_map. */
typedef struct IdRange {
        uint32_t inside;
        uint32_t outside;
        uint32_t length;
} IdRange;

typedef struct IdMap {
        size_t n;
        IdRange *ranges;
} IdMap;

void idmap_done(IdMap *m);
/** idmap_parse() - read the text of a uid_map file. Return: 0, -EINVAL, -ENOMEM. */
int idmap_parse(const char *text, IdMap *ret);
/** idmap_read() - /proc/PID/@file ("uid_map" or "gid_map"). Return: 0 or -errno. */
int idmap_read(pid_t pid, const char *file, IdMap *ret);
/** idmap_to_outside() - Return: 0; -ENXIO = not mapped. */
int idmap_to_outside(const IdMap *m, uint32_t inside, uint32_t *ret);
/** idmap_to_inside() - Return: 0; -ENXIO = not mapped. */
int idmap_to_inside(const IdMap *m, uint32_t outside, uint32_t *ret);
/** idmap_is_identity() - whether every ID maps to itself */
bool idmap_is_identity(const IdMap *m);
