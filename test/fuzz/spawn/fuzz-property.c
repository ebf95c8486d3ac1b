/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of a scope: what is accepted has a name and the parts that its type promises. */
#include "spawn/property.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(property_done) Property p = {};
        _cleanup_free_ char *text = NULL;

        if (size > 4096)
                return 0;
        text = strndup((const char *) data, size);
        assert_se(text);
        if (property_parse(text, &p, NULL) < 0)
                return 0;
        assert_se(p.name && p.type < _PROPERTY_TYPE_MAX);
        assert_se(p.type != PROPERTY_STRING || p.text);
        assert_se(p.type != PROPERTY_PAIR || !p.text == !p.second);
        assert_se(p.type != PROPERTY_U32 || p.number <= UINT32_MAX);
        return 0;
}
