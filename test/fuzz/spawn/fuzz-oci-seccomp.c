/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A filter out of a document: whatever it says, the program is one that the kernel can run to an end. */
#include "fuzz.h"
#include "spawn/oci-seccomp.h"

/* Jumps go forward and stay inside, and all ways end with a verdict. */
static void check(const SeccompProgram *p) {
        assert_se(p->n > 0 && p->n <= BPF_MAXINSNS);
        for (size_t i = 0; i < p->n; i++) {
                const struct sock_filter *f = p->filter + i;
                size_t left = p->n - i - 1;

                switch (BPF_CLASS(f->code)) {
                case BPF_RET:
                        break;
                case BPF_JMP:
                        assert_se(BPF_OP(f->code) == BPF_JA ? f->k < left
                                                            : f->jt < left && f->jf < left);
                        break;
                default:
                        assert_se(left > 0);
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(oci_config_freep) OciConfig *c = NULL;
        _cleanup_free_ char *text = NULL;
        SeccompProgram p;

        if (size > 16 * 1024)
                return 0;
        text = str_format(
                "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"seccomp\":%.*s}}",
                (int) size, size ? (const char *) data : "");
        assert_se(text);
        if (oci_config_parse(text, &c, NULL) < 0 ||
            oci_seccomp_plan(c->linux_.seccomp, &p, NULL) < 0)
                return 0;
        if (c->linux_.seccomp)
                check(&p);
        free(p.filter);
        return 0;
}
