/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* passwd and group files of an image: whoever is found has an absolute home, and the own group first. */
#include <stddef.h>
#include <stdint.h>

#include "spawn/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const who[] = { "root", "0", "ann", "1000", "" };
        _cleanup_free_ char *text = size > 65536 ? NULL : strndup((const char *) data, size);

        for (size_t i = 0; text && i < ELEMENTSOF(who); i++) {
                _cleanup_(user_done) User u = {};

                if (users_parse_passwd(text, who[i], &u) < 0)
                        continue;
                assert_se(u.home[0] == '/' && (!u.shell || u.shell[0] == '/') && u.name[0]);
                assert_se(users_parse_groups(text, &u) == 0);
                assert_se(u.n_groups > 0 && u.groups[0] == u.gid);
        }
        return 0;
}
