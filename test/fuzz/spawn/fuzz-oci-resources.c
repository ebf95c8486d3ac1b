/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits and rules for devices out of a document: what is to be written names files of a control group alone, and
 * programs have the form that the kernel takes. */
#include "fuzz.h"
#include "spawn/oci-devices.h"
#include "spawn/oci-resources.h"

static void check_devices(OciResources *r) {
        _cleanup_(device_policy_done) DevicePolicy p = {};
        const OciConfig c = { .linux_ = { .resources = r } };

        if (oci_devices_policy(&c, &p, NULL) < 0)
                return;
        assert_se(p.n > 0 && p.insns[p.n - 1].code == (BPF_JMP | BPF_EXIT));
        for (size_t i = 0; i + 1 < p.n; i++)
                assert_se(BPF_CLASS(p.insns[i].code) != BPF_JMP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        _cleanup_(oci_resources_freep) OciResources *r = NULL;
        _cleanup_(oci_limits_done) OciLimits l = {};
        _cleanup_(buf_done) Buf notes = {};
        _cleanup_strv_ char **properties = NULL;

        if (size > 16 * 1024)
                return 0;
        assert_se(text);
        if (oci_resources_parse(text, &r, NULL) < 0)
                return 0;
        check_devices(r);
        (void) oci_resources_properties(r, &properties, NULL);
        if (oci_resources_plan(r, &l, &notes, NULL) < 0)
                return 0;
        for (size_t i = 0; i < l.n; i++)
                assert_se(l.v[i].value && !strchr(l.v[i].file, '/') && strchr(l.v[i].file, '.') &&
                          l.v[i].file[0] != '.');
        return 0;
}
