/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command that is to run in a machine that runs already, as data: what it is, as whom, under what
 * confinement. Whoever has it from elsewhere (an OCI process document) fills it alike; join.h carries it
 * out. */
#pragma once

#include "spawn/limit.h"
#include "spawn/resource.h"
#include "spawn/seccomp-plan.h"
#include "spawn/users.h"

typedef struct JoinCapabilities {
        uint64_t bounding; /* 1 << CAP_* */
        /* What is had at the execution. Of who is not root the execution leaves what is ambient. */
        uint64_t permitted, effective, inheritable, ambient;
} JoinCapabilities;

/* All strings and arrays belong to the request. All zero but for what join_request_init() sets. */
typedef struct JoinRequest {
        char *program; /* NULL = argv[0]; without a '/' it is looked for in $PATH of the environment */
        char **argv;        /* not empty */
        char **environment; /* all of it; nothing is added */
        char *cwd;          /* absolute, in the machine; NULL = "/" */
        bool cwd_may_miss;  /* then it is "/" */

        uid_t uid; /* as the machine numbers them */
        gid_t gid;
        gid_t *groups; /* supplementary */
        size_t n_groups;
        mode_t umask; /* 0022 */

        JoinCapabilities capabilities;
        bool no_new_privileges;
        SeccompProgram *filters; /* the one to load first comes first */
        size_t n_filters;
        char *apparmor; /* profile; NULL = as the kernel decides */
        char *selinux;  /* context */
        Limit limits[LIMITS_MAX];
        int oom_score_adjust; /* OOM_SCORE_ADJUST_UNSET = as ours */
        CpuSet *cpus;         /* NULL = as ours */
        int personality;      /* PERSONALITY_UNSET = as ours */

        char *cgroup; /* group below the leader's, relative, there already; NULL = the leader's own */

        /* A terminal of the machine on its stdio, or these. Those that are terminals of the host are for
         * the caller to keep from it, see join-relay.h. */
        bool terminal;
        unsigned short rows, columns; /* of the terminal; 0 = that of our own, if we have one */
        int stdio[3];                 /* borrowed; 0, 1, 2 */
        unsigned n_pass;              /* our descriptors from 3 on that it gets as well */

        bool detached;        /* it lives on when we die */
        char *console_socket; /* where our side of the terminal is sent; NULL = join_start() returns it */
        char *pid_file;       /* gets the command's PID; NULL = none */
} JoinRequest;

/** join_request_init() - the defaults: root with no capabilities, our stdio */
void join_request_init(JoinRequest *q);
/** join_request_done() - free what it owns */
void join_request_done(JoinRequest *q);
/** join_request_add_filter() - a copy of a program, to be loaded after those that are there
 * Return: 0 or -ENOMEM. */
int join_request_add_filter(JoinRequest *q, const struct sock_filter *filter, size_t n);

/** join_environment() - what a command starts with beside what its user asks for
 *
 * The environment of the machine's first process but for what is that process's own affair (descriptors,
 * sockets, watchdogs and invocations it was given, its user, its terminal, where it was), PATH if it has
 * none, then user, home and shell.
 *
 * @leader:    strings of /proc/PID/environ, ended by NUL; may be anything
 * @n:         bytes in it
 * @inherits:  whether to take it at all: not if the leader has less rights than the command
 * @terminal:  our own TERM=, COLORTERM= and NO_COLOR=, if there is a terminal; else NULL
 * @add:       assignments that win over all, may be NULL
 * Return: 0 or -ENOMEM. */
int join_environment(const char *leader, size_t n, bool inherits, const User *user,
                     char *const *terminal, char *const *add, char ***ret);
