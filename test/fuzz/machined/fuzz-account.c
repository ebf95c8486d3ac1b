/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's passwd and group, split at the first NUL: whoever is found has all that a login needs. */
#include "machined/account.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const users[] = { "root", "worker", "1000" };
        _cleanup_free_ char *text = NULL;

        if (size > 64 * 1024)
                return 0;
        text = calloc(1, size + 2);
        assert_se(text);
        if (size > 0)
                memcpy(text, data, size);
        const char *group = text + strlen(text) + 1;

        for (size_t i = 0; i < ELEMENTSOF(users); i++) {
                _cleanup_(account_done) Account a = {};
                if (account_parse(text, group <= text + size ? group : "", users[i], &a, NULL) < 0)
                        continue;
                assert_se(a.name && a.home && a.home[0] == '/' && a.shell && a.shell[0] == '/');
                assert_se(a.uid != (uid_t) -1 && a.gid != (gid_t) -1);
                assert_se(a.n_groups == 0 || a.groups);
        }
        return 0;
}
