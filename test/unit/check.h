/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmocka with the includes it wants, and a comparison that says which row of a table failed. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/** CHECK_EQ() - two integers are the same; what follows says where, printf-style */
#define CHECK_EQ(a, b, ...)                                                                        \
        do {                                                                                       \
                intmax_t _a = (intmax_t) (a), _b = (intmax_t) (b);                                 \
                if (_a != _b) {                                                                    \
                        print_error(__VA_ARGS__);                                                  \
                        print_error(": %s is %jd, not %jd\n", #a, _a, _b);                         \
                        fail();                                                                    \
                }                                                                                  \
        } while (0)

/** CHECK_STR() - two strings are the same (or both NULL) */
#define CHECK_STR(a, b, ...)                                                                       \
        do {                                                                                       \
                const char *_a = (a), *_b = (b);                                                   \
                if (!(_a && _b ? strcmp(_a, _b) == 0 : _a == _b)) {                                \
                        print_error(__VA_ARGS__);                                                  \
                        print_error(": %s is '%s', not '%s'\n", #a, _a ? _a : "(null)",            \
                                    _b ? _b : "(null)");                                           \
                        fail();                                                                    \
                }                                                                                  \
        } while (0)
