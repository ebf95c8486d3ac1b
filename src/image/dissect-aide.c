/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks skep-dissect what is in an image. Its answer lies in memory that it cannot make larger; it is read
 * when the aide is gone, and as a stranger's. */
#include "image/dissect-aide.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

static int make_answer(Error *e) {
        _cleanup_fd_ int fd = memfd_create("dissection", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || ftruncate(fd, DISSECT_ANSWER_SIZE) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return error_set(e, errno, "cannot make a memory file: %m");
        return TAKE_FD(fd);
}

int dissect_image(int image_fd, bool bare, Dissection *ret, Error *e) {
        char *const words[] = { (char *) (bare ? DISSECT_BARE : NULL), NULL };
        _cleanup_(aide_done) Aide aide = AIDE_NULL;
        _cleanup_fd_ int answer = make_answer(e);
        _cleanup_free_ char *text = NULL;

        if (answer < 0)
                return answer;
        int r = aide_start(&aide, DISSECT_AIDE, words, (const int[]){ image_fd, answer }, 2, e);
        if (r >= 0)
                r = aide_finish(&aide, e);
        if (r < 0)
                return r;

        text = malloc(DISSECT_ANSWER_SIZE + 1);
        if (!text)
                return error_oom(e);
        ssize_t n = pread(answer, text, DISSECT_ANSWER_SIZE, 0);
        if (n < 0)
                return error_set(e, errno, "cannot read the answer of " DISSECT_AIDE ": %m");
        text[n] = '\0';
        r = dissection_parse(text, strlen(text), ret, e);
        return r < 0 ? error_wrap(e, r, DISSECT_AIDE) : 0;
}
