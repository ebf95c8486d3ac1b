/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A filter that somebody else wrote down: verdicts for named system calls, some of them only for certain
 * arguments. Decides as libseccomp does, which is what such lists are written for:
 *
 * - A call that an entry without conditions names meets the first such entry, whatever other entries say.
 * - Else the first entry whose conditions all hold; else the default.
 * - Two conditions on one argument are alternatives: each makes an entry of its own.
 * - A name that nobody knows is passed over, as is an architecture that this kernel cannot run. Ours is always
 *   covered. Calls of those that are not kill the thread.
 * - With fresh_is_enosys, calls that are newer than the newest one named do not exist, so that programs fall back
 *   to what the list was made with. */
#pragma once

#include "base/error.h"
#include "spawn/seccomp-plan.h"

typedef enum SeccompCompare {
        SECCOMP_NE,
        SECCOMP_LT,
        SECCOMP_LE,
        SECCOMP_EQ,
        SECCOMP_GE,
        SECCOMP_GT,
        SECCOMP_MASKED_EQ, /* argument & value == second & value */
        _SECCOMP_COMPARE_MAX,
} SeccompCompare;

#define SECCOMP_ARGUMENTS 6U

typedef struct SeccompCondition {
        unsigned argument;
        SeccompCompare compare;
        uint64_t value, second;
} SeccompCondition;

typedef struct SeccompRule {
        char *const *calls; /* names; borrowed */
        uint32_t verdict;   /* SECCOMP_RET_* with its data */
        SeccompCondition *conditions;
        size_t n;
} SeccompRule;

typedef struct SeccompRules {
        uint32_t verdict;    /* of what no rule names */
        char *const *arches; /* "SCMP_ARCH_…"; borrowed */
        bool fresh_is_enosys;
        SeccompRule *v;
        size_t n;
} SeccompRules;

/** seccomp_rules_done() - free what @rules own */
void seccomp_rules_done(SeccompRules *rules);

/** seccomp_rules_assemble() - make the program
 * @ret: owned by the caller
 * Return: 0; -EINVAL for an architecture or argument that there is not; -E2BIG if the kernel would not take a
 * program that long; -ENOMEM. */
int seccomp_rules_assemble(const SeccompRules *rules, SeccompProgram *ret, Error *e);
