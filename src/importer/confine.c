/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The unpacker's confinement, see confine.h. A second line: the first is that tree.c never asks for a
 * place outside. */
#include "importer/confine.h"

#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Newer than the headers of Debian 12. */
#define ACCESS_FS_TRUNCATE (1ull << 14)

#define CAP_BIT(c) (1ull << (c))

static const uint64_t kept_capabilities = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) |
                                          CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |
                                          CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_SETFCAP);

static int drop_capabilities(Error *e) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        for (int cap = 0; cap < 64; cap++)
                if (!(kept_capabilities & CAP_BIT(cap)) && prctl(PR_CAPBSET_DROP, cap) < 0) {
                        /* Behind the last one that this kernel knows; or not ours to drop, and then
                         * "no new privileges" keeps it away. */
                        if (errno == EINVAL || geteuid() != 0)
                                break;
                        return error_set(e, errno, "cannot drop capability %d: %m", cap);
                }

        if (syscall(SYS_capget, &header, data) < 0)
                return error_set(e, errno, "cannot read capabilities: %m");
        for (int i = 0; i < 2; i++) {
                uint32_t keep = (uint32_t) (kept_capabilities >> (32 * i));
                data[i].permitted &= keep;
                data[i].effective = data[i].permitted;
                data[i].inheritable = 0;
        }
        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if (syscall(SYS_capset, &header, data) < 0)
                return error_set(e, errno, "cannot drop capabilities: %m");
        return 0;
}

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

/* Return: 1 restricted; 0 this kernel has no Landlock that would do; -errno. */
static int restrict_paths(int target_fd, Error *e) {
        uint64_t access = LANDLOCK_ACCESS_FS_REFER | (LANDLOCK_ACCESS_FS_REFER - 1);
        int version = (int) syscall(SYS_landlock_create_ruleset, NULL, 0,
                                    LANDLOCK_CREATE_RULESET_VERSION);

        /* The first version allows no hard links between directories. */
        if (version < 2)
                return 0;
        if (version >= 3)
                access |= ACCESS_FS_TRUNCATE;

        struct landlock_ruleset_attr ruleset = { .handled_access_fs = access };
        _cleanup_fd_ int fd = (int) syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset,
                                            0);
        struct landlock_path_beneath_attr beneath = {
                .allowed_access = access & ~(uint64_t) LANDLOCK_ACCESS_FS_EXECUTE,
                .parent_fd = target_fd,
        };

        if (fd < 0)
                return error_set(e, errno, "cannot make a Landlock rule set: %m");
        if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
                return error_set(e, errno, "cannot add a Landlock rule: %m");
        if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                return error_set(e, errno, "cannot apply Landlock: %m");
        return 1;
}

int confine_unpacker(int target_fd, int *ret_fd, Error *e) {
        bool root = geteuid() == 0;
        _cleanup_fd_ int fd = -EBADF;
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot forbid new privileges: %m");

        if (root) {
                r = isolate(target_fd, &fd, e);
                if (r < 0)
                        return r;
        } else {
                fd = fcntl(target_fd, F_DUPFD_CLOEXEC, 3);
                if (fd < 0)
                        return error_set(e, errno, "cannot keep the target open: %m");
        }

        r = restrict_paths(fd, e);
        if (r < 0)
                return r;
        if (r == 0 && !root)
                return error_set(e, EOPNOTSUPP,
                                 "without root, Landlock is needed to keep archives "
                                 "in their place, and this kernel has none");
        r = drop_capabilities(e);
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(fd);
        return 0;
}
