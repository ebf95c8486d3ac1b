/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes of changes to images: what is accepted has steps that make sense, and is written down as it was read. */
#include "base/path.h"
#include "fuzz.h"
#include "image/transaction.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(transaction_done) Transaction t = {}, again = {};
        _cleanup_(buf_done) Buf text = {};

        if (size == 0 || size > 4096 || transaction_parse((const char *) data, size, &t, NULL) < 0)
                return 0;
        for (size_t i = 0; i < t.n; i++) {
                const Step *s = t.steps + i;

                assert_se(s->kind >= 0 && s->kind < _STEP_MAX && path_is_absolute_clean(s->from));
                assert_se(!s->to == (s->kind == STEP_REMOVE));
                assert_se((s->kind != STEP_MOVE && s->kind != STEP_SWAP) ||
                          path_is_absolute_clean(s->to));
        }
        assert_se(transaction_format(&t, &text) >= 0);
        assert_se(transaction_parse(text.p, text.n, &again, NULL) == 0 && again.n == t.n);
        for (size_t i = 0; i < t.n; i++)
                assert_se(streq(t.steps[i].from, again.steps[i].from) &&
                          streq(strempty(t.steps[i].to), strempty(again.steps[i].to)) &&
                          t.steps[i].inode == again.steps[i].inode &&
                          t.steps[i].is_immutable == again.steps[i].is_immutable);
        return 0;
}
