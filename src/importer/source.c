/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading, see source.h. */
#include "importer/source.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/fd.h"

#define SOURCE_READ_SIZE ((size_t) 256 * 1024)

int source_run(int fd, Stage *chain, _Atomic uint64_t *ret_n, Error *e) {
        _cleanup_free_ char *buffer = malloc(SOURCE_READ_SIZE);

        if (!buffer)
                return error_oom(e);
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);

        for (;;) {
                ssize_t n = read(fd, buffer, SOURCE_READ_SIZE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN && fd_wait(fd, POLLIN, UINT64_MAX) >= 0)
                        continue;
                if (n < 0)
                        return error_set(e, errno, "cannot read the archive: %m");
                if (n == 0)
                        return stage_end(chain, e);

                if (ret_n)
                        (void) atomic_fetch_add_explicit(ret_n, (uint64_t) n, memory_order_relaxed);
                int r = stage_push(chain, buffer, (size_t) n, e);
                if (r < 0)
                        return r;
        }
}
