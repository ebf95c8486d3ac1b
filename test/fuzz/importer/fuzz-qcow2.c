/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a qcow2 image: what is found of the disk is all of it, in order; unpacking it ends and makes a file
 * of the size that was said. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/qcow2.h"

#define SIZE_MAX_UNPACKED ((uint64_t) 16 * 1024 * 1024)

static int take(void *context, const Qcow2Piece *p, Error *e) {
        uint64_t *at = context;

        assert_se(p->n > 0 && p->at == *at);
        *at += p->n;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_fd_ int from = memfd_create("fuzz", MFD_CLOEXEC),
                         to = memfd_create("fuzz", MFD_CLOEXEC);
        const Qcow2Progress progress = { .max_written = SIZE_MAX_UNPACKED };
        _cleanup_(qcow2_done) Qcow2 q = {};
        Error e = {};
        struct stat st;
        uint64_t at = 0;

        if (size > 1024 * 1024)
                return 0;
        assert_se(from >= 0 && to >= 0 && fd_write_all(from, data, size) >= 0);
        int r = qcow2_open(from, &q, &e);
        assert_se(r >= 0 || (e.code == r && e.text[0] && !strchr(e.text, '\n')));
        if (r < 0 || q.size > SIZE_MAX_UNPACKED)
                return 0;
        r = qcow2_find(&q, 0, q.size, take, &at, &e);
        assert_se(r < 0 || at == q.size);
        int s = qcow2_unpack(&q, to, &progress, &e);
        assert_se(s >= 0 || (e.code == s && e.text[0]));
        assert_se(r >= 0 || s < 0);
        assert_se(fstat(to, &st) >= 0 && (uint64_t) st.st_size == q.size);
        return 0;
}
