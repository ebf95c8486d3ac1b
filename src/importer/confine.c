/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The unpacker's confinement, see confine.h. A second line: the first is that tree.c never asks for a
 * place outside. */
#include "importer/confine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"

#define CAP_BIT(c) (1ull << (c))

static const uint64_t kept_capabilities = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) |
                                          CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |
                                          CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_SETFCAP);

/* A mount of the target that is in no name space, while all others become read-only. */
static int isolate(int target_fd, int *ret_fd, Error *e) {
        struct mount_attr attr = {
                .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                            MOUNT_ATTR_NOEXEC,
        };
        _cleanup_fd_ int fd = (int) syscall(SYS_open_tree, target_fd, "",
                                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

        if (fd < 0)
                return error_set(e, errno, "cannot make a mount of the target: %m");
        if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
                return error_set(e, errno, "cannot leave the host's name spaces: %m");
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return error_set(e, errno, "cannot make mounts private: %m");
        if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot make the host's mounts read-only: %m");

        *ret_fd = TAKE_FD(fd);
        return 0;
}

int confine_unpacker(int target_fd, int *ret_fd, Error *e) {
        bool root = geteuid() == 0;
        _cleanup_fd_ int fd = -EBADF;
        int r;

        r = confine_privileges(e);
        if (r < 0)
                return r;

        if (root) {
                r = isolate(target_fd, &fd, e);
                if (r < 0)
                        return r;
        } else {
                fd = fcntl(target_fd, F_DUPFD_CLOEXEC, 3);
                if (fd < 0)
                        return error_set(e, errno, "cannot keep the target open: %m");
        }

        r = confine_paths(fd, e);
        if (r < 0)
                return r;
        if (r == 0 && !root)
                return error_set(e, EOPNOTSUPP,
                                 "without root, Landlock is needed to keep archives "
                                 "in their place, and this kernel has none");
        r = confine_capabilities(kept_capabilities, e);
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(fd);
        return 0;
}
