/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a list of digests: what is found can be written down and is found again. */
#include "base/text.h"
#include "importer/checksum-list.h"

static void find(const char *text, size_t n, const char *name) {
        char hex[2 * DIGEST_SIZE_MAX + 1];
        Digest d, again;
        Error e = {};
        int r = checksum_list_find(text, n, name, &d, &e);

        assert_se(r >= 0 || (e.code == r && e.text[0] && !strchr(e.text, '\n')));
        if (r < 0)
                return;
        assert_se(digest_parse(digest_format(&d, hex), &again) >= 0 && digest_is_equal(&d, &again));
        _cleanup_free_ char *line = str_format("%s  %s\n", hex, name ? name : "");
        assert_se(line);
        if (name)
                assert_se(checksum_list_find(line, strlen(line), name, &again, NULL) >= 0 &&
                          digest_is_equal(&d, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        find((const char *) data, size, "a.tar");
        find((const char *) data, size, NULL);
        return 0;
}
