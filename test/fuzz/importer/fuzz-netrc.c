/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any list of passwords: what it has for a host is found, or an error says why not, and shows no password. */
#include "base/text.h"
#include "importer/netrc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const hosts[] = { "a", "b.example", "" };
        _cleanup_free_ char *text = strndup((const char *) data, size);

        if (!text || size > 64 * 1024)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                _cleanup_free_ char *user = NULL, *password = NULL;
                Error e = {}, none = {};
                int r = netrc_find(text, hosts[i], &user, &password, &e);

                assert_se(r == 0 || r == -EINVAL);
                assert_se(r == 0 || (!user && !password));
                /* The same for each list that makes no sense. */
                if (r < 0) {
                        _cleanup_free_ char *u = NULL, *p = NULL;
                        assert_se(netrc_find("machine", "a", &u, &p, &none) == -EINVAL);
                        assert_se(streq(e.text, none.text));
                }
                assert_se(!user || strlen(user) <= size);
        }
        return 0;
}
