/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a URL: what is beside one is one, and no password of it is shown. */
#include "base/text.h"
#include "importer/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *url = strndup((const char *) data, size), *last = NULL;
        Error e = {};

        if (!url || size > 8192)
                return 0;
        _cleanup_free_ char *shown = url_redacted(url), *host = url_host(url);
        assert_se(shown && host);
        if (url_check(url, &e) < 0) {
                assert_se(e.text[0] && !strchr(e.text, '\n'));
                return 0;
        }
        if (strlen(shown) <= URL_MAX) /* escapes make it longer */
                assert_se(url_check(shown, NULL) == 0);
        assert_se(url_is_file(url) || host[0]);
        if (url_last(url, &last, NULL) >= 0)
                assert_se(last[0] && !strchr(last, '/'));
        _cleanup_free_ char *beside = url_with_last(url, "SHA256SUMS"), *name = NULL;
        assert_se(beside);
        if (strlen(beside) <= URL_MAX)
                assert_se(url_check(beside, NULL) == 0 && url_last(beside, &name, NULL) == 0 &&
                          streq(name, "SHA256SUMS"));
        return 0;
}
