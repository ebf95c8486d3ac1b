/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values from text: each function takes one whole string and either understands all of it or
 * returns -EINVAL (-ERANGE: a number out of bounds), leaving *ret alone. */
#pragma once

#include <sys/types.h>

#include "base/macro.h"

/** parse_bool() - 1 yes y true t on / 0 no n false f off. Return: 0 or -EINVAL. */
int parse_bool(const char *s, bool *ret);
/** parse_u64() - decimal (or 0x, 0o, 0b prefixed) number within [@min, @max]; no sign, no spaces */
int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
/** parse_u32() - as parse_u64(), full range of 32 bits */
int parse_u32(const char *s, uint32_t *ret);
/** parse_i32() - as parse_u32() with an optional leading minus */
int parse_i32(const char *s, int32_t *ret);
/** parse_octal() - a file mode, 0 to 07777 */
int parse_octal(const char *s, mode_t *ret);
/** parse_uid() - a numeric user or group ID; (uint32_t) -1 and 65535 are not IDs */
int parse_uid(const char *s, uid_t *ret);
/** parse_pid() - a process ID > 0 */
int parse_pid(const char *s, pid_t *ret);
/** parse_size() - bytes, with K M G T P E (1024-based), an optional fraction and an optional B */
int parse_size(const char *s, uint64_t *ret);
/** parse_duration() - µs from "5", "1.5s", "2min 3s", "100ms", "infinity" (= UINT64_MAX); a bare
 * number is seconds */
int parse_duration(const char *s, uint64_t *ret);
/** parse_signal() - "TERM", "SIGTERM", "15", "RTMIN+3", "SIGRTMIN+3", "RTMAX-1" */
int parse_signal(const char *s, int *ret);
/** signal_name() - "SIGTERM", "SIGRTMIN+3" in a buffer per thread; never NULL */
const char *signal_name(int signal);
