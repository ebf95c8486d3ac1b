/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system call filter of a machine, as a plan: a BPF program in a plain value, built from tables that
 * were made at build time. Needs no library at run time and allocates nothing. */
#pragma once

#include <linux/filter.h>

#include "spawn/seccomp-list.h"

/* The default program has about 150 instructions; the bound leaves room for lists that name every other
 * call on every architecture. */
#define SECCOMP_PLAN_MAX 2048

/* A program ready for the kernel. A plain value: copy it, keep it on the stack. n == 0 is "no filter". */
typedef struct SeccompPlan {
        size_t n;
        struct sock_filter filter[SECCOMP_PLAN_MAX];
} SeccompPlan;

/* A program that is kept: no larger than it is. */
typedef struct SeccompProgram {
        size_t n;
        struct sock_filter *filter; /* owned */
        unsigned flags;             /* SECCOMP_FILTER_FLAG_* */
} SeccompProgram;

/* What a filter hangs on. All zero but for the capabilities is the default filter. */
typedef struct SeccompRequest {
        uint64_t
                caps; /* 1 << CAP_* in the bounding set: some calls are allowed only together with one */
        const SeccompList *calls; /* allowed and denied besides; NULL = none */
        FamilyList families;
        bool host_users;    /* keyrings of users are the host's: no keys unless the list says so */
        bool suppress_sync; /* what waits for the disk succeeds at once */
} SeccompRequest;

/** seccomp_plan() - build a filter
 *
 * System calls this build has never heard of fail with ENOSYS, known ones that are not allowed with
 * EPERM, and creating an audit netlink socket, or one of a family that is not allowed, with
 * EAFNOSUPPORT. All architectures that the kernel runs natively are covered by the one program; a call
 * from any other kills the process.
 *
 * @ret:  the program
 * Return: 0, or -E2BIG if the program does not fit. */
int seccomp_plan(const SeccompRequest *request, SeccompPlan *ret, Error *e);

/** seccomp_plan_keep() - a copy that is as large as it has to be. Return: 0 or -ENOMEM. */
int seccomp_plan_keep(const SeccompPlan *p, SeccompProgram *ret);

/** seccomp_plan_format() - write the program down, one instruction a line, for --dry-run and tests
 * Return: 0 or -ENOMEM. */
int seccomp_plan_format(const SeccompPlan *p, Buf *out);

/** seccomp_plan_load() - put a filter on the calling thread, for good
 *
 * The thread needs CAP_SYS_ADMIN in its user namespace or no_new_privs; drop capabilities after this.
 *
 * @filter:  the program, as in SeccompPlan; need not outlive the call
 * @n:       instructions in it; 0 does nothing
 * Return: 0 or -errno. */
int seccomp_plan_load(const struct sock_filter *filter, size_t n, Error *e);
/** seccomp_program_load() - the same with flags
 * @ret_listener: with SECCOMP_FILTER_FLAG_NEW_LISTENER: where its questions are answered; else untouched
 * Return: 0 or -errno. */
int seccomp_program_load(const SeccompProgram *p, int *ret_listener, Error *e);
