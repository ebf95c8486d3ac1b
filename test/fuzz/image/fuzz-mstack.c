/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names in a stack, one a line; a '!' before it makes it a file. What is accepted is what it says, and is in
 * the same order however it came. */
#include "base/path.h"
#include "base/text.h"
#include "fuzz.h"
#include "image/mstack.h"

static void check(const MstackEntry *e) {
        assert_se(e->type >= 0 && e->type < _MSTACK_TYPE_MAX);
        assert_se(!e->id == (e->type != MSTACK_LAYER));
        assert_se(!e->place == (e->type != MSTACK_BIND && e->type != MSTACK_ROBIND));
        assert_se(!e->place || path_is_absolute_clean(e->place));
        assert_se(e->is_disk == str_has_suffix(e->name, ".raw") || !e->is_disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        _cleanup_(mstack_done) Mstack there = {}, back = {};

        if (size > 4096)
                return 0;
        text = strndup((const char *) data, size);
        assert_se(text && str_split(text, "\n", &lines) >= 0);
        STRV_FOREACH(l, lines)
                (void) mstack_add(&there, *l + (**l == '!'), **l == '!', NULL);
        for (size_t i = there.n; i > 0; i--)
                assert_se(mstack_add(&back, there.entries[i - 1].name, there.entries[i - 1].is_disk,
                                     NULL) == 0);
        mstack_sort(&there);
        mstack_sort(&back);
        assert_se(there.n == back.n);
        for (size_t i = 0; i < there.n; i++) {
                check(there.entries + i);
                assert_se(streq(there.entries[i].name, back.entries[i].name));
        }
        return 0;
}
