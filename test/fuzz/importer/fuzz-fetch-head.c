/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any lines as the headers of a server: what is understood is within its bounds. */
#include "importer/fetch-head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        FetchHead h;

        fetch_head_init(&h);
        while (size > 0) {
                const uint8_t *newline = memchr(data, '\n', size);
                size_t n = newline ? (size_t) (newline - data) + 1 : size;

                int r = fetch_head_line(&h, (const char *) data, n);
                assert_se(r == 0 || (r == -E2BIG && h.n > FETCH_HEAD_MAX));
                assert_se(!h.has_range || (h.from < h.to && h.to <= h.total));
                assert_se(h.status <= 999);
                assert_se(memchr(h.etag, '\0', sizeof h.etag) &&
                          memchr(h.modified, '\0', sizeof h.modified));
                (void) fetch_etag_is_strong(h.etag);
                assert_se(fetch_head_wait(&h, 0) == FETCH_UNKNOWN ||
                          fetch_head_wait(&h, 0) <= INT64_MAX);
                data += n;
                size -= n;
        }
        return 0;
}
