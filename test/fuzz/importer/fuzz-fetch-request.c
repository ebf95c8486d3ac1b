/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a request to the fetcher: what is taken is within its bounds, and is written as it was read. */
#include "importer/fetch-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(fetch_request_done) FetchRequest q = {}, again = {};
        _cleanup_(buf_done) Buf text = {}, other = {};
        Error e = {};

        if (size > 64 * 1024)
                return 0;
        if (fetch_request_parse((const char *) data, size, &q, &e) < 0) {
                assert_se(e.text[0] && !strchr(e.text, '\n'));
                return 0;
        }
        assert_se(q.url && q.connections >= 1 && q.connections <= FETCH_CONNECTIONS_MAX);
        assert_se(fetch_request_format(&q, &text) == 0);
        assert_se(fetch_request_parse(text.p, text.n, &again, NULL) == 0);
        assert_se(fetch_request_format(&again, &other) == 0);
        assert_se(text.n == other.n && memcmp(text.p, other.p, text.n) == 0);
        return 0;
}
