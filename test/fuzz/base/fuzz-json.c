/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON texts: a valid one can be asked for anything; members of what is valid are valid. */
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const names[] = { "userName", "uid", "privileged", "a", "" };
        _cleanup_free_ char *text = size > 65536 ? NULL : strndup((const char *) data, size);

        if (!text || json_check(text) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *s = NULL;
                _cleanup_strv_ char **v = NULL;
                const char *value = NULL, *inner;
                uint64_t n;

                if (json_member(text, names[i], &value) < 0)
                        continue;
                assert_se(value > text && value < text + strlen(text));
                (void) json_string(value, &s);
                (void) json_strings(value, &v);
                (void) json_unsigned(value, &n);
                (void) json_member(value, names[i], &inner);
        }
        return 0;
}
