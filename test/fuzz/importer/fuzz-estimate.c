/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as an archive or a disk whose room is estimated: it ends, and leaves the file where it stood. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/estimate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_fd_ int fd = memfd_create("fuzz", MFD_CLOEXEC);

        if (size < 2 || size > 1024 * 1024)
                return 0;
        /* The first byte: where it begins. */
        off_t at = data[0] & 1 ? data[0] >> 1 : 0;
        assert_se(fd >= 0 && fd_write_all(fd, data + 1, size - 1) >= 0);
        assert_se(lseek(fd, at, SEEK_SET) == at);
        uint64_t n = estimate_archive(fd);
        assert_se((uint64_t) at < size - 1 || n == 0);
        (void) estimate_disk(fd, data[0] & 2, data[0] & 4);
        assert_se(lseek(fd, 0, SEEK_CUR) == at);
        for (int f = 0; f < _FORMAT_MAX; f++)
                (void) estimate_unpacked(fd, (Format) f, (uint64_t) at, size - 1);
        return 0;
}
