/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is accepted as os-release can be written and read back the same. */
#include "image/os-release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_strv_ char **a = NULL, **b = NULL;
        _cleanup_(buf_done) Buf text = {};
        _cleanup_free_ char *pretty = NULL;

        if (size > OS_RELEASE_SIZE_MAX / 4 ||
            os_release_parse((const char *) data, size, &a, NULL) < 0)
                return 0;

        assert_se(os_release_format(a, &text) == 0);
        assert_se(os_release_parse(strempty(text.p), text.n, &b, NULL) == 0);
        assert_se(strv_length(a) == strv_length(b));
        for (size_t i = 0; a && a[i]; i++)
                assert_se(streq(a[i], b[i]));
        assert_se(os_release_pretty_name(a, &pretty) == 0);
        return 0;
}
