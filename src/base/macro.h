/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few macros everything uses: sizes, taking ownership, cleanup attributes, assertions. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

/* The counter makes the inner names unique, so that one may stand inside the other. */
#define _EXTREME(op, a, b, n) _EXTREME_(op, a, b, n)
#define _EXTREME_(op, a, b, n)                                                                     \
        ({                                                                                         \
                __typeof__(a) _a_##n = (a);                                                        \
                __typeof__(b) _b_##n = (b);                                                        \
                _a_##n op _b_##n ? _a_##n : _b_##n;                                                \
        })
#define MIN(a, b) _EXTREME(<, a, b, __COUNTER__)
#define MAX(a, b) _EXTREME(>, a, b, __COUNTER__)

/* Built with what needs memory and system calls of its own. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define IS_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _pure_         __attribute__((pure))
#define _const_        __attribute__((const))
#define _noreturn_     __attribute__((noreturn))
#define _must_check_   __attribute__((warn_unused_result))
#define _public_       __attribute__((visibility("default")))

/* Ownership moves from the variable to the expression; the variable no longer cleans anything up. */
#define TAKE_PTR(p)                                                                                \
        ({                                                                                         \
                __typeof__(p) *_pp_ = &(p);                                                        \
                __typeof__(p) _p_ = *_pp_;                                                         \
                *_pp_ = NULL;                                                                      \
                _p_;                                                                               \
        })
#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int *_fdp_ = &(fd);                                                                \
                int _fd_ = *_fdp_;                                                                 \
                *_fdp_ = -EBADF;                                                                   \
                _fd_;                                                                              \
        })

/* Makes FUNCp() for the cleanup attribute out of FUNC(), which takes the value and accepts NULL (or
 * the type's "none"). */
#define DEFINE_CLEANUP(type, func)                                                                 \
        static inline void func##p(type *p) {                                                      \
                (void) func(*p);                                                                   \
        }

#define _cleanup_(f)     __attribute__((cleanup(f)))
#define _cleanup_free_   _cleanup_(freep)
#define _cleanup_fclose_ _cleanup_(fclosep)

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void fclosep(FILE **f) {
        if (*f)
                (void) fclose(*f);
}

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/** streq_ptr() - compare two strings either of which may be NULL; NULL equals only NULL */
static inline bool streq_ptr(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static inline const char *strempty(const char *s) {
        return s ? s : "";
}

/* Unlike assert(), stays in builds with NDEBUG: for what must hold whatever the build. */
#define assert_se(x)                                                                               \
        do {                                                                                       \
                if (__builtin_expect(!(x), 0))                                                     \
                        assert_failed(#x, __FILE__, __LINE__);                                     \
        } while (0)

_noreturn_ void assert_failed(const char *what, const char *file, int line);
