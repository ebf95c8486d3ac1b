/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of ID ranges: what is read has a root, no ID twice, and is read again from its own lines. */
#include <stddef.h>
#include <stdint.h>

#include "spawn/id-ranges.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = size > 4096 ? NULL : strndup((const char *) data, size);
        _cleanup_(buf_done) Buf lines = {};
        _cleanup_(idmap_done) IdMap map = {};
        IdRanges r;

        if (!text || id_ranges_parse(text, &r, NULL) < 0)
                return 0;
        assert_se(id_ranges_format(&r, &lines) == 0 && idmap_parse(lines.p, &map) == 0);
        assert_se(map.n == r.n);
        for (size_t i = 0; i < r.n; i++) {
                uint32_t outside, inside;

                assert_se(id_ranges_to_outside(&r, r.v[i].inside, &outside) == 0);
                assert_se(outside == r.v[i].outside && id_ranges_has_outside(&r, outside));
                assert_se(idmap_to_inside(&map, outside, &inside) == 0);
                assert_se(inside == r.v[i].inside);
        }
        return 0;
}
