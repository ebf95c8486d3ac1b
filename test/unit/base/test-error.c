/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/error.h"

static void sets_code_and_text(void **state) {
        Error e = {};

        CHECK_EQ(error_set(&e, ENOENT, "no '%s': %m", "x"), -ENOENT, "positive errno");
        CHECK_EQ(e.code, -ENOENT, "code");
        CHECK_STR(e.text, "no 'x': No such file or directory", "text");
        CHECK_EQ(error_set(NULL, -EIO, "nobody cares"), -EIO, "negative errno, no error");
}

static void wraps_with_context_in_front(void **state) {
        Error e = {};

        (void) error_set(&e, EBUSY, "it is in use");
        CHECK_EQ(error_wrap(&e, -EBUSY, "starting %s", "m"), -EBUSY, "result");
        CHECK_STR(e.text, "starting m: it is in use", "text");

        Error silent = {};
        (void) error_wrap(&silent, -ENOSPC, "writing");
        CHECK_STR(silent.text, "writing: No space left on device", "callee said nothing");
}

static void stays_one_line(void **state) {
        char huge[1000];
        Error e = {};

        memset(huge, 'x', sizeof huge - 1);
        huge[sizeof huge - 1] = '\0';
        (void) error_set(&e, EINVAL, "a\nb\t\033[31m");
        CHECK_STR(e.text, "a b  [31m", "control characters");
        (void) error_set(&e, EINVAL, "'%.3s' \xff %s", "a\xc3\xa4\xc3\xa4", "\xe2\x99\xa5");
        CHECK_STR(e.text, "'a\xc3\xa4' ? \xe2\x99\xa5", "bytes that are no text");
        (void) error_set(&e, EINVAL, "'%.2s'", "a\xc3\xa4");
        CHECK_STR(e.text, "'a?'", "cut off within a letter");
        (void) error_set(&e, EINVAL, "%s", huge);
        (void) error_wrap(&e, -EINVAL, "front");
        CHECK_EQ(strncmp(e.text, "front: xxx", 10), 0, "context survives");
        CHECK_EQ(strlen(e.text) < sizeof e.text, 1, "terminated");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sets_code_and_text),
                cmocka_unit_test(wraps_with_context_in_front),
                cmocka_unit_test(stays_one_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
