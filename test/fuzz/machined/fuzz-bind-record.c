/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever record of a mount is accepted can be written, and reads back as the same; and any text may be
 * searched for a mount. */
#include "base/mount-info.h"
#include "machined/bind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(bind_record_done) BindRecord a = {}, b = {};
        _cleanup_(buf_done) Buf first = {}, second = {};
        _cleanup_free_ char *text = NULL, *place = NULL, *type = NULL;

        if (size > 16 * 1024)
                return 0;
        text = calloc(1, size + 1);
        assert_se(text);
        if (size > 0)
                memcpy(text, data, size);
        if (mount_info_find(text, 5, &place, &type) >= 0)
                assert_se(place);
        if (bind_record_parse(text, &a) < 0)
                return 0;
        assert_se(bind_record_format(&a, &first) >= 0 && bind_record_parse(first.p, &b) >= 0);
        assert_se(bind_record_format(&b, &second) >= 0 && streq(first.p, second.p));
        return 0;
}
