/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /etc/hosts of an image: whatever is in it, our own lines begin where they should, and localhost is known. */
#include <stddef.h>
#include <stdint.h>

#include "net/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(buf_done) Buf out = {}, again = {};
        _cleanup_free_ char *text = NULL;

        if (size > 64 * 1024)
                return 0;
        /* As a file is read: with a NUL after it. */
        text = malloc(size + 1);
        assert_se(text);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        assert_se(hosts_head(text, size, &out) == 0);
        assert_se(out.n > 0 && out.n % HOSTS_LINE == 0 && out.p[out.n - 1] == '\n');
        assert_se(!memchr(out.p, '\0', out.n));
        /* With localhost in it already, nothing but our own last line is added. */
        assert_se(hosts_head(out.p, out.n, &again) == 0);
        assert_se(again.n == out.n + HOSTS_LINE);
        return 0;
}
