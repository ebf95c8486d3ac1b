/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what a worker wrote: the daemon reads it to its end, and what it understands can be written again. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/transfer.h"

static void write_again(const Record *record) {
        _cleanup_fd_ int fd = memfd_create("again", MFD_CLOEXEC);
        char line[RECORD_LINE_MAX + 1];
        Record again;

        assert_se(fd >= 0 && record_write(fd, record) >= 0);
        ssize_t n = pread(fd, line, sizeof line - 1, 0);
        assert_se(n > 0 && line[n - 1] == '\n');
        line[n - 1] = '\0';
        assert_se(record_parse(line, &again) >= 0 && again.type == record->type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(transfer_freep) Transfer *t = transfer_new(1);
        Record record;
        int r;

        assert_se(t);
        t->log_fd = memfd_create("log", MFD_CLOEXEC);
        assert_se(t->log_fd >= 0 && fd_write_all(t->log_fd, data, size) >= 0);
        assert_se(lseek(t->log_fd, 0, SEEK_SET) == 0);
        while ((r = transfer_read(t, &record)) > 0) {
                write_again(&record);
                assert_se(t->read <= size);
        }
        assert_se(r == 0 || r == -EBADMSG);
        assert_se(transfer_result(t));
        return 0;
}
