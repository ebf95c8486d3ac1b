/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of containers: one that is taken can be written so that it is read as the same, and what is told of
 * it is JSON. */
#include "fuzz.h"

#include "base/json.h"
#include "oci/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(oci_state_done) OciState a = {}, b = {};
        _cleanup_(buf_done) Buf text = {}, again = {}, told = {};
        _cleanup_free_ char *copy = NULL;

        if (size > 64 * 1024)
                return 0;
        copy = strndup((const char *) data, size);
        assert_se(copy);
        if (oci_state_parse(copy, &a, NULL) < 0)
                return 0;
        assert_se(oci_id_is_valid(a.id));
        assert_se(oci_state_write(&a, &text) >= 0);
        assert_se(oci_state_parse(text.p, &b, NULL) >= 0);
        assert_se(oci_state_write(&b, &again) >= 0);
        assert_se(streq(text.p, again.p));
        assert_se(oci_state_format(&a, OCI_STATUS_PAUSED, true, &told) >= 0);
        assert_se(json_check(told.p) >= 0);
        return 0;
}
