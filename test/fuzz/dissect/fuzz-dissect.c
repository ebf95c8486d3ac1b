/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever an image holds, what is told of it is accepted by who asked. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "dissect/probe.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(dissection_done) Dissection a = {}, b = {}, c = {};
        _cleanup_(buf_done) Buf text = {};
        _cleanup_fd_ int fd = memfd_create("image", MFD_CLOEXEC);
        Error e = {};

        if (size > 1024 * 1024)
                return 0;
        assert_se(fd >= 0 && fd_write_all(fd, data, size) == 0);
        (void) probe_image(fd, true, &c, NULL);
        if (probe_image(fd, false, &a, &e) < 0) {
                assert_se(e.code < 0 && e.text[0]);
                return 0;
        }
        assert_se(dissection_format(&a, &text) == 0);
        assert_se(dissection_parse(text.p, text.n, &b, NULL) == 0 && a.n == b.n);
        return 0;
}
