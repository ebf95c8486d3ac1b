/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resource limits of a machine: their names and values in settings, and giving them to its first process.
 * A limit that nobody asks for is that of whoever starts the machine: in a unit, the unit's. */
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include "base/setting.h"

#define LIMITS_MAX 16

/* One limit, at the index RLIMIT_*. */
typedef struct Limit {
        rlim_t soft, hard;
        bool given;
} Limit;

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

/** limit_apply() - give the calling process the limits that were asked for; the others stay
 * After limit_raise() this takes no privileges. Return: 0 or -errno. */
int limit_apply(const Limit given[static LIMITS_MAX], Error *e);
/** limit_raise() - with the host's rights: let a process have what was asked for, later
 * In a user namespace, or without its capabilities, it could not raise its limits itself.
 * @pid: 0 = the calling one
 * Return: 0 or -errno. */
int limit_raise(pid_t pid, const Limit given[static LIMITS_MAX], Error *e);
/** limit_is_any_given() - whether any was asked for */
bool limit_is_any_given(const Limit given[static LIMITS_MAX]);
/** limit_format() - those that were asked for, a line each, for --dry-run. Return: 0 or -ENOMEM. */
int limit_format(const Limit given[static LIMITS_MAX], Buf *out);
