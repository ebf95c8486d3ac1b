/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child with a mount namespace, see mount-child.h. What it mounts is its caller's. */
#include "base/mount-child.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/proc.h"

int mount_make_private(void) {
        struct mount_attr attr = { .propagation = MS_PRIVATE };

        return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0 ? -errno : 0;
}

int mount_child(int (*make)(void *userdata, Error *e), void *userdata, int *ret, Error *e) {
        struct clone_args args = { .flags = CLONE_NEWNS | CLONE_PIDFD, .exit_signal = SIGCHLD };
        _cleanup_fd_ int pidfd = -EBADF, ours = -EBADF, theirs = -EBADF;
        int pair[2], r = handshake_pair(pair);

        if (r < 0)
                return error_set(e, r, "cannot make a socket pair: %m");
        ours = pair[0];
        theirs = pair[1];
        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid < 0)
                return error_set(e, pid, "cannot fork: %m");
        if (pid == 0) {
                Error problem = {};
                int fd = make(userdata, &problem);
                if (fd < 0)
                        (void) handshake_send_error(theirs, &problem);
                else if (ret)
                        (void) handshake_send_fd(theirs, 0, fd);
                else
                        (void) handshake_send_phase(theirs, 0);
                _exit(0);
        }
        theirs = fd_close(theirs);
        r = handshake_expect(ours, ret ? HANDSHAKE_FD : HANDSHAKE_PHASE, 0, ret, NULL, e);
        (void) proc_wait(pidfd, NULL);
        return r;
}
