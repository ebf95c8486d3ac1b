/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong, in one flat value: an errno and one sentence that names the place and the cause.
 * It holds no pointers, so that a child can write it down a pipe to its parent. The sentence is made
 * where the fact is known; callers only put context before it. */
#pragma once

#include "base/macro.h"

typedef struct Error {
        int code;       /* -errno; 0 = nothing happened */
        char text[480]; /* one line, no trailing dot or newline */
} Error;

/** error_set() - say what went wrong, at the place where it is known
 * @e:       where to put it; NULL = the caller does not care for the text
 * @err:     errno value, positive or negative; must not be 0
 * @format:  the sentence; `%m` is the text of @err
 * Return: -|err|, so that callers can write `return error_set(…)`. */
int error_set(Error *e, int err, const char *format, ...) _printf_(3, 4);

/** error_wrap() - put context before what is already there
 * @e:       as filled by the callee; if it said nothing, the errno's text is used; may be NULL
 * @r:       the negative errno that the callee returned
 * @format:  the context, joined to the old text with ": "
 * Return: @r, unchanged. */
int error_wrap(Error *e, int r, const char *format, ...) _printf_(3, 4);

/** error_oom() - out of memory
 * Return: -ENOMEM. */
int error_oom(Error *e);

/* Lets the compiler and the analyzer in on the promise above: what these return is negative. */
static inline int error_negative(int r) {
        if (r >= 0)
                __builtin_unreachable();
        return r;
}
#define error_set(...)  error_negative(error_set(__VA_ARGS__))
#define error_wrap(...) error_negative(error_wrap(__VA_ARGS__))
#define error_oom(e)    error_negative(error_oom(e))

/** error_is_set() - whether @e carries something */
static inline bool error_is_set(const Error *e) {
        return e && e->code != 0;
}

/** error_errno_text() - text of an errno (positive or negative), in a buffer per thread */
const char *error_errno_text(int err);
