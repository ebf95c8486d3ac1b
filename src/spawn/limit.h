/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resource limits of a machine: their names and values in settings, which ones its first process gets,
 * and giving them to it. */
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include "base/setting.h"

#define LIMITS_MAX 16

/* One limit, at the index RLIMIT_*. What is not given is left as it is. */
typedef struct Limit {
        rlim_t soft, hard;
        bool given;
} Limit;

/* What the limits hang on besides the settings. */
typedef struct LimitFacts {
        bool of_unit;       /* ours are those of a unit that we are started in */
        struct rlimit core; /* ours, if of_unit */
        struct rlimit processes,
                signals; /* else: of the host's PID 1, which the kernel sizes by the memory */
} LimitFacts;

/** limit_name() - "NOFILE" for RLIMIT_NOFILE */
const char *limit_name(int resource);
/** limit_find() - "NOFILE" or "RLIMIT_NOFILE", in any case. Return: RLIMIT_* or -EINVAL. */
int limit_find(const char *name);
/** limit_parse() - "SOFT[:HARD]"; "infinity", bytes with a unit, times with a unit, or for NICE a nice
 * level with its sign, as fits the limit. Without HARD both are SOFT.
 * Return: 0; -EINVAL or -ERANGE with @e set. */
int limit_parse(int resource, const char *value, Limit *ret, Error *e);

/** limit_setting() - settings reader for a key LimitNAME=; field is the Limit */
int limit_setting(const Setting *row, const char *value, void *at, Error *e);
/** limit_setting_named() - settings reader for NAME=SOFT[:HARD]; field is within a Limit[LIMITS_MAX] at
 * row->data bytes behind its beginning */
int limit_setting_named(const Setting *row, const char *value, void *at, Error *e);

/** limit_read_facts() - look at our own limits and those of the host's PID 1
 * @in_unit: we were told to stay in the unit that we were started in */
void limit_read_facts(bool in_unit, LimitFacts *ret);
/** limit_plan() - what the payload's first process gets
 * Limits that were asked for are taken. The others are, in a unit, those of the unit; else the kernel's
 * for its first process, because those of whoever's shell we were started from mean nothing to a machine.
 * @given: of the Spec */
void limit_plan(const Limit given[static LIMITS_MAX], const LimitFacts *facts,
                Limit ret[static LIMITS_MAX]);
/** limit_apply() - give the calling process its limits
 * One that was not asked for and is above what we may raise stays as high as it may be.
 * @given: of the Spec: that these cannot be set is an error
 * Return: 0 or -errno. */
int limit_apply(const Limit plan[static LIMITS_MAX], const Limit given[static LIMITS_MAX],
                Error *e);
/** limit_raise() - with the host's rights: let another process raise its limits up to what was asked for
 * In a user namespace it could not. Return: 0 or -errno. */
int limit_raise(pid_t pid, const Limit given[static LIMITS_MAX], Error *e);
/** limit_is_any_given() - whether any was asked for */
bool limit_is_any_given(const Limit given[static LIMITS_MAX]);
/** limit_format() - those that were asked for, a line each, for --dry-run. Return: 0 or -ENOMEM. */
int limit_format(const Limit given[static LIMITS_MAX], Buf *out);
