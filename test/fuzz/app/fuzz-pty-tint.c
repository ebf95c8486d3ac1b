/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a payload writes to a tinted terminal: in whatever pieces it comes, it goes through whole, and the
 * colours put in fit into the room that was promised. */
#include "app/pty-tint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char whole[4096], parts[4096];
        PtyTint a, b;

        pty_tint_init(&a, "48;2;0;0;95");
        pty_tint_init(&b, "48;2;0;0;95");
        size = MIN(size, pty_tint_room(&a, sizeof whole));

        size_t n = pty_tint_feed(&a, (const char *) data, size, whole), k = 0;
        for (size_t i = 0; i < size; i++)
                k += pty_tint_feed(&b, (const char *) data + i, 1, parts + k);
        assert_se(n == k && n >= size && n <= sizeof whole && memcmp(whole, parts, n) == 0);
        return 0;
}
