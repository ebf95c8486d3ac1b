/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of --network-address=: what is read can be written, and is read again as the same. */
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = size > 4096 ? NULL : strndup((const char *) data, size);
        _cleanup_(buf_done) Buf once = {}, twice = {};
        Address a, b;

        if (!text || address_parse(text, &a, NULL) < 0)
                return 0;
        assert_se(address_format(&a, &once) == 0 && address_parse(once.p, &b, NULL) == 0);
        assert_se(address_format(&b, &twice) == 0 && streq(once.p, twice.p));
        assert_se(a.kind != ADDRESS_FIXED || ip_is_host(&a.prefix.ip));
        return 0;
}
