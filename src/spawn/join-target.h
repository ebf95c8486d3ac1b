/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine that runs, to be joined: of ours, of systemd-nspawn's, of any other engine. Found by its name or
 * by a PID of it; nothing that was written down is believed before the kernel has said the same. */
#pragma once

#include "base/namespace.h"
#include "base/text.h"
#include "spawn/join-plan.h"
#include "spawn/run.h"

typedef struct JoinTarget {
        char *name;       /* for messages: the machine's, or "process N" */
        pid_t pid;        /* its first process, or the one that was named */
        int pidfd;        /* the same */
        int root_fd;      /* O_PATH of its root directory */
        int cgroup_fd;    /* directory of its control group; -EBADF = there is no cgroup2 */
        int clone;        /* CLONE_NEW…: the namespaces that it has and we have not */
        pid_t supervisor; /* skep-spawn, if it is ours; else 0 */
        ProcessLimits limits;
} JoinTarget;

#define JOIN_TARGET_NULL ((JoinTarget){ .pidfd = -EBADF, .root_fd = -EBADF, .cgroup_fd = -EBADF })

/** join_target_done() - close and free */
void join_target_done(JoinTarget *t);

/** join_target_open() - find a machine
 * @what:  name of a machine, ours or one that is registered; or a PID in any
 * Return: 0; -ENXIO no such machine; -ESRCH it has ended; -EPERM it is another user's, or the process is in
 * no machine; -EBUSY it is paused; -errno. */
int join_target_open(const char *what, JoinTarget *ret, Error *e);
/** join_target_open_pid() - the same for a process that the caller knows
 * @pidfd:  of it, ours from now on; -EBADF = open one
 * @name:   for messages */
int join_target_open_pid(pid_t pid, int pidfd, const char *name, JoinTarget *ret, Error *e);
/** join_target_find_supervisor() - see whether a machine that was opened by PID is one of ours */
void join_target_find_supervisor(JoinTarget *t);
/** join_target_is_paused() - whether its control group is frozen, so that nothing in it runs */
bool join_target_is_paused(const JoinTarget *t);

/** join_target_confine() - take on the confinement of the machine's first process
 *
 * Fills what the request says of capabilities, no_new_privs, filters, label, limits, OOM score, CPUs and
 * personality. The filters are the very ones of the process, if the kernel lets us see them, or if the
 * machine is ours; else the default one for its capabilities.
 * Return: 0 or -errno. */
int join_target_confine(const JoinTarget *t, JoinRequest *q, Error *e);
/** join_target_environment() - text of the first process's environment
 * Return: 0 or -errno. */
int join_target_environment(const JoinTarget *t, char **ret, size_t *ret_n, Error *e);

/** join_note_filter() - PHASE_HOST: write down the filter of a machine of ours, for join_target_confine()
 * @filter: NULL or empty: it has none
 * Return: 0 or -errno. */
int join_note_filter(const SeccompProgram *filter, Run *run, Error *e);

/* What machined writes down of a machine. */
typedef struct JoinRecord {
        pid_t leader;
        uint64_t leader_id; /* inode of its pidfd; 0 = not known */
        uint64_t realtime;  /* when it was registered, µs; 0 = not known */
        uint64_t monotonic;
        uid_t uid; /* whose it is */
} JoinRecord;

/** join_record_parse() - a file of /run/systemd/machines
 * @name: that the file has
 * Return: 0; -EBADMSG with @e saying what is wrong. */
int join_record_parse(const char *name, const char *text, size_t n, JoinRecord *ret, Error *e);
