/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes over the sockets of a machine manager, in each process that looks up a name. The first byte
 * chooses what was asked. What is taken are addresses that one can send to, each once. */
#include "fuzz.h"
#include "nss/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        HostAddresses all = {};

        if (size < 1 || size > 65536)
                return 0;
        _cleanup_free_ char *text = strndup((const char *) data + 1, size - 1);
        assert_se(text);
        int r = data[0] & 1 ? answer_record(text, "web", &all) : answer_list(text, "web", &all);
        assert_se(r == 0 ? all.n > 0 && all.n <= HOST_ADDRESSES_MAX : all.n == 0);
        for (size_t i = 0; i < all.n; i++) {
                assert_se(ip_is_host(&all.v[i].ip));
                for (size_t k = 0; k < i; k++)
                        assert_se(!ip_equal(&all.v[i].ip, &all.v[k].ip));
        }
        return 0;
}
