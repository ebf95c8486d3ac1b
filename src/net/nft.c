/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has skep-nft write to the packet filter, see nft.h. What the text says is the callers'. */
#include "net/nft.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

/* Others may be writing as well, in which case the library begins anew. */
#define PATIENCE   (UINT64_C(20) * 1000 * 1000) /* µs */
#define ANSWER_MAX ((size_t) 64 * 1024 * 1024)

static int memory_file(const char *text, Error *e) {
        _cleanup_fd_ int fd = memfd_create("nft", MFD_CLOEXEC);
        int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

        if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        return r < 0 ? error_set(e, r, "cannot make a memory file: %m") : TAKE_FD(fd);
}

static int read_answer(int fd, char **ret, Error *e) {
        int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd_read_all(fd, ANSWER_MAX, ret, NULL);

        return r < 0 ? error_set(e, r, "cannot read the answer of " NFT_AIDE ": %m") : 0;
}

int nft_run(const char *commands, char **ret, Error *e) {
        char *const words[] = { NULL };
        _cleanup_(aide_done) Aide aide = AIDE_NULL;
        _cleanup_fd_ int text = memory_file(commands, e), answer = -EBADF;

        if (text < 0)
                return text;
        if (ret) {
                answer = memory_file("", e);
                if (answer < 0)
                        return answer;
        }
        int r = aide_start(&aide, NFT_AIDE, words, (const int[]){ text, answer }, ret ? 2 : 1, e);
        if (r >= 0 && fd_wait(aide.sock, POLLIN, PATIENCE) == 0)
                r = error_set(e, ETIMEDOUT, "the packet filter does not answer");
        if (r >= 0)
                r = aide_finish(&aide, e);
        return r >= 0 && ret ? read_answer(answer, ret, e) : r;
}
