/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notifications of a payload: whatever it says, what is passed on to the service manager is one line of
 * printable text. */
#include "spawn/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(notify_message_done) NotifyMessage m = {};

        if (size > 64 * 1024 || notify_parse((const char *) data, size, &m) < 0)
                return 0;
        for (const char *c = m.status; c && *c; c++)
                assert_se((unsigned char) *c >= ' ' && *c != 0x7f);
        assert_se(!m.status || str_is_utf8(m.status, strlen(m.status)));
        return 0;
}
