/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to run a command in a machine: what is read can be written, and is the same when read again. */
#include "base/join-call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(join_call_done) JoinCall a = {}, b = {};
        _cleanup_(buf_done) Buf text = {}, again = {};

        if (size > 64 * 1024 || join_call_parse((const char *) data, size, &a, NULL) < 0)
                return 0;
        assert_se(join_call_format(&a, &text) == 0);
        assert_se(join_call_parse(text.p, text.n, &b, NULL) == 0);
        assert_se(join_call_format(&b, &again) == 0);
        assert_se(text.n == again.n && memcmp(text.p, again.p, text.n) == 0);
        return 0;
}
