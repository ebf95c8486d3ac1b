/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* User records: what is read has IDs, a name and a home, and can be told to a machine. The text is split at
 * the first byte 1: what follows is the privileged part. */
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "spawn/bound-user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = size > 65536 ? NULL : strndup((const char *) data, size);
        static const char *const kinds[] = { "user", "user-privileged", "group" };
        BoundUser u = { .uid = BOUND_USER_MIN };
        char *privileged = text ? strchr(text, 1) : NULL;
        Error e = {};

        if (privileged)
                *privileged++ = '\0';
        if (!text || host_user_parse(text, privileged, "ann", &u.host, &e) < 0) {
                assert_se(!text || e.text[0]);
                return 0;
        }
        assert_se(streq(u.host.name, "ann") && u.host.home[0] == '/');
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_(buf_done) Buf out = {};

                assert_se(bound_user_format(&u, u.host.shell, kinds[i], &out) >= 0);
                assert_se(json_check(out.p) == 0);
        }
        host_user_done(&u.host);
        return 0;
}
