/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of the bus: the first one in the buffer is read, as it is and with all lengths that the buffer
 * could have been cut to. */
#include "spawn/bus-watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > BUS_WATCH_BUFFER)
                return 0;
        for (size_t n = size; n > 0; n /= 2) {
                /* A copy of its own, so that a read past the end is seen. */
                uint8_t *copy = malloc(n);
                BusMessage m = {};

                assert_se(copy);
                memcpy(copy, data, n);
                ssize_t length = bus_message_parse(copy, n, &m);
                assert_se(length >= -EBADMSG);
                if (length > 0 && (size_t) length <= n) {
                        assert_se(m.body >= copy && m.body + m.n_body == copy + length);
                        assert_se(!m.member || memchr(m.member, '\0', n));
                }
                free(copy);
        }
        return 0;
}
