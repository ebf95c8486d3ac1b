/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our side of skep-crypt, see mapping.h. */
#include "image/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/aide.h"
#include "base/fd.h"

/* Starts skep-crypt, takes the device that it makes, and hears it to the end. */
static int run(char *const *argv, const int *fds, size_t n_fds, int *ret_fd, Error *e) {
        _cleanup_(aide_done) Aide aide = AIDE_NULL;
        _cleanup_fd_ int fd = -EBADF;
        int r = aide_start(&aide, MAPPING_AIDE, argv, fds, n_fds, e);

        if (r >= 0)
                r = handshake_expect(aide.sock, HANDSHAKE_FD, 0, &fd, NULL, e);
        if (r == -EPIPE)
                r = error_set(e, EPIPE, "%s died before it was done", aide.name);
        if (r >= 0)
                r = aide_finish(&aide, e);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int mapping_open_verity(const MappingNames *names, int data_fd, int tree_fd, const RootHash *hash,
                        const Buf *signature, bool must_sign, int *ret_fd, Error *e) {
        char text[ROOT_HASH_TEXT_MAX];
        char *argv[] = { (char *) "verity", (char *) names->image, (char *) names->partition,
                         (char *) root_hash_format(hash, text),
                         /* what of a signature there is */
                         (char *) (!signature || signature->n == 0 ? "unsigned"
                                   : must_sign                     ? "signed"
                                                                   : "maybe-signed"),
                         NULL };
        _cleanup_fd_ int signature_fd = -EBADF;
        int fds[] = { data_fd, tree_fd, -EBADF };

        if (signature && signature->n > 0) {
                signature_fd = memfd_create("signature", MFD_CLOEXEC);
                if (signature_fd < 0 ||
                    fd_write_all(signature_fd, signature->p, signature->n) < 0 ||
                    lseek(signature_fd, 0, SEEK_SET) < 0)
                        return error_set(e, errno, "cannot pass the signature on: %m");
                fds[2] = signature_fd;
        }
        return run(argv, fds, signature_fd >= 0 ? 3 : 2, ret_fd, e);
}

int mapping_open_luks(const MappingNames *names, int data_fd, int passphrase_fd, MappingFlags flags,
                      int *ret_fd, Error *e) {
        char *argv[7] = { (char *) "luks", (char *) names->image, (char *) names->partition };
        const int fds[] = { data_fd, passphrase_fd };
        size_t n = 3;

        if (flags & MAPPING_READ_ONLY)
                argv[n++] = (char *) "read-only";
        if (flags & MAPPING_INTEGRITY)
                argv[n++] = (char *) "integrity";
        if (flags & MAPPING_ASK)
                argv[n++] = (char *) "ask";
        return run(argv, fds, passphrase_fd >= 0 ? 2 : 1, ret_fd, e);
}
