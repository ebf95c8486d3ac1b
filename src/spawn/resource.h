/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine's processes inherit from the one that makes them: the CPUs they run on, how soon they are
 * killed when memory runs out, which architecture uname(2) tells them. */
#pragma once

#include "base/setting.h"

#define CPUS_MAX 8192 /* the most that a kernel can be built for */

typedef struct CpuSet {
        uint64_t words[CPUS_MAX / 64];
} CpuSet;

#define OOM_SCORE_ADJUST_UNSET INT32_MIN
#define PERSONALITY_UNSET      (-1)

struct Spec;

/** cpu_set_parse() - "0-3,5 8-11": numbers and ranges, separated by commas or spaces, added to @set
 * Return: 0; -EINVAL or -ERANGE with @e set. */
int cpu_set_parse(const char *s, CpuSet *set, Error *e);

/* Readers of settings. */
int resource_setting_cpus(const Setting *row, const char *value, void *at, Error *e);
int resource_setting_oom(const Setting *row, const char *value, void *at, Error *e);
int resource_setting_personality(const Setting *row, const char *value, void *at, Error *e);

/** resource_elf_personality() - what a program with this beginning asks for
 * @head: the first bytes of the file
 * Return: PER_LINUX32 where it is of the 32-bit architecture that the kernel runs besides its own;
 * PERSONALITY_UNSET for all else. */
int resource_elf_personality(const void *head, size_t n);

/** resource_apply() - PHASE_BUILD, before PID 1 is made: set all that for the calling process
 * @wanted: personality as planned; PERSONALITY_UNSET = as it is
 * Return: 0 or -errno. */
int resource_apply(const struct Spec *spec, int wanted, Error *e);
/** resource_format() - a line for each, for --dry-run. Return: 0 or -ENOMEM. */
int resource_format(const struct Spec *spec, int wanted, Buf *out);
