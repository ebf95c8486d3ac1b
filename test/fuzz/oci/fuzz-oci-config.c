/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json of a bundle, which an engine wrote after what an image said: what is taken can be written so
 * that it is read as the same, and an error is one line. */
#include "fuzz.h"

#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(oci_config_freep) OciConfig *a = NULL, *b = NULL;
        _cleanup_(oci_resources_freep) OciResources *resources = NULL;
        _cleanup_(oci_process_freep) OciProcess *process = NULL;
        _cleanup_(buf_done) Buf text = {}, again = {};
        _cleanup_free_ char *copy = NULL;
        Error e = {};

        if (size > 64 * 1024)
                return 0;
        copy = strndup((const char *) data, size);
        assert_se(copy);
        (void) oci_process_parse(copy, &process, NULL);
        (void) oci_resources_parse(copy, &resources, NULL);
        if (oci_config_parse(copy, &a, &e) < 0) {
                assert_se(*e.text && !strchr(e.text, '\n'));
                return 0;
        }
        assert_se(oci_config_write(a, &text) >= 0);
        assert_se(oci_config_parse(text.p, &b, NULL) >= 0);
        assert_se(oci_config_write(b, &again) >= 0);
        assert_se(streq(text.p, again.p));
        return 0;
}
