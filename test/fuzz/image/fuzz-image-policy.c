/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is accepted as a policy can be written and read back, and means the same. */
#include "base/text.h"
#include "image/image-policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL, *again = NULL;
        ImagePolicy a, b;

        if (size > 4096)
                return 0;
        text = strndup((const char *) data, size);
        assert_se(text);
        if (image_policy_parse(text, &a, NULL) < 0)
                return 0;

        assert_se(image_policy_format(&a, &again) == 0);
        assert_se(image_policy_parse(again, &b, NULL) == 0);
        for (PartitionDesignator d = 0; d < _PARTITION_ROLE_MAX; d++)
                assert_se(image_policy_get(&a, d) == image_policy_get(&b, d));
        return 0;
}
