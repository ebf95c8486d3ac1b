/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Access lists of an image's files: whatever they hold, changing owners once is enough. */
#include <stddef.h>
#include <stdint.h>

#include "spawn/owners.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t acl[4096];

        if (size > sizeof acl)
                return 0;
        if (size > 0)
                memcpy(acl, data, size);
        int r = owners_change_acl(acl, size, 0x80000);
        assert_se(r == 0 || r == 1 || r == -EINVAL);
        if (r != 1)
                assert_se(size == 0 || memcmp(acl, data, size) == 0);
        else
                assert_se(owners_change_acl(acl, size, 0x80000) == 0);
        return 0;
}
