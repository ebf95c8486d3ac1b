/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever state file is accepted can be written, and reads back as the same. */
#include "machined/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(machine_freep) Machine *a = NULL, *b = NULL;
        _cleanup_(buf_done) Buf first = {}, second = {};

        if (size > 16 * 1024 || state_parse("m", (const char *) data, size, &a, NULL) < 0)
                return 0;

        assert_se(state_format(a, &first) == 0);
        assert_se(state_parse("m", first.p, first.n, &b, NULL) == 0);
        assert_se(state_format(b, &second) == 0 && streq(first.p, second.p));
        return 0;
}
