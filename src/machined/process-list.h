/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a machine, as the host sees them. For workers: names and command lines are what the
 * machine says they are, and a process may keep one waiting who asks for them. */
#pragma once

#include "machined/enter.h"

#define PROCESS_LIST_MAX 4096 /* processes; the rest is left out */

typedef struct ProcessEntry {
        uint32_t pid;
        uint32_t inner; /* PID in the machine */
        uint32_t uid;   /* in the machine; UINT32_MAX = none that it knows */
        char user[33];  /* name of that, if the machine has one; else the number */
        uint64_t cpu_nsec;
        uint64_t memory;       /* bytes that are in memory */
        uint64_t started_usec; /* µs since 1970 */
        char command[256];     /* printable */
} ProcessEntry;

/** process_list_read() - the processes below a control group that belong to a machine
 * @group: as in StatisticsSource
 * @ret:   ordered by PID
 * Return: number of entries or -errno. */
int process_list_read(const Target *t, const char *group, ProcessEntry **ret, Error *e);
/** process_list_parse() - one entry out of the texts of /proc/PID/status and stat
 * @levels: how many PID namespaces below ours the machine's is; 0 = it has none of its own
 * Return: 1; 0 the process is not in the machine's PID namespace; -EBADMSG. */
int process_list_parse(const char *status, const char *stat, unsigned levels, ProcessEntry *ret);
