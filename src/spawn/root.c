/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root mount of a machine, see root.h. What else is mounted in it is not done here. */
#include "spawn/root.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "oci/config.h"
#include "base/mount-child.h"
#include "spawn/mount.h"
#include "spawn/owners.h"
#include "spawn/root-view.h"

static bool has(int root_fd, const char *path, int flags) {
        _cleanup_fd_ int fd = path_open_in_root(root_fd, path, O_PATH | flags, 0);

        return fd >= 0;
}

/* A typo must not fill somebody's home with mount points.
 * @usr_fd: what will be /usr, if that is not in it yet */
static int check_system(const Spec *spec, int root_fd, int usr_fd, Error *e) {
        bool boot = spec->start == START_BOOT;
        struct stat st;

        if (!spec_is_machine(spec))
                return 0;
        if (boot ? has(root_fd, "/etc/os-release", 0) || has(root_fd, "/usr/lib/os-release", 0) ||
                            (usr_fd >= 0 && has(usr_fd, "/lib/os-release", 0))
                 : has(root_fd, "/usr", O_DIRECTORY) || has(root_fd, "/bin", O_DIRECTORY))
                return 0;
        if (fstat(root_fd, &st) >= 0 && !S_ISDIR(st.st_mode))
                return error_set(e, ENOTDIR, "'%s' is not a directory", spec_place(spec));
        return boot ? error_set(e, EINVAL, "'%s' has no os-release, so it cannot be booted",
                                spec_place(spec))
                    : error_set(e, EINVAL,
                                "'%s' has neither /usr nor /bin, so it is no operating system",
                                spec_place(spec));
}

#define CLONE_ALL (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)

/* Where nothing is to be made, what a directory would be made of is looked at. */
static const char *tree_path(const Spec *spec) {
        return spec->dry_run && spec->template_path && access(spec->directory, F_OK) < 0
                       ? spec->template_path
                       : spec->directory;
}

/* A directory of the image instead of its own root. */
static int use_pivoted(const Spec *spec, int image, Run *run, Error *e) {
        _cleanup_fd_ int fd = path_open_in_root(image, spec->pivot_new, O_PATH | O_DIRECTORY, 0);

        if (fd < 0)
                return error_set(e, fd, "cannot open '%s' of the image, to be its root: %m",
                                 spec->pivot_new);
        run->root_fd = open_tree(fd, "", CLONE_ALL | AT_EMPTY_PATH);
        if (run->root_fd >= 0 && spec->pivot_old)
                run->old_root_fd = open_tree(image, "", CLONE_ALL | AT_EMPTY_PATH);
        if (run->root_fd >= 0 && (!spec->pivot_old || run->old_root_fd >= 0))
                return 0;
        return spec->image && errno == EINVAL
                       ? error_set(e, EOPNOTSUPP,
                                   "with a disk image, --pivot-root= needs Linux 6.15")
                       : error_set(e, errno, "cannot copy the mount of '%s': %m", spec_place(spec));
}

static int open_pivoted(const Spec *spec, Run *run, Error *e) {
        _cleanup_fd_ int image = open(tree_path(spec), O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (image < 0)
                return error_set(e, errno, "cannot open the root directory '%s': %m",
                                 spec->directory);
        return use_pivoted(spec, image, run, e);
}

static int open_directory(const Spec *spec, Run *run, Error *e) {
        run->root_fd = open_tree(AT_FDCWD, tree_path(spec), CLONE_ALL);
        if (run->root_fd < 0)
                return error_set(e, errno, "cannot open the root directory '%s': %m",
                                 spec->directory);
        return 0;
}

int root_open(const Spec *spec, Run *run, Error *e) {
        int r;

        run->root_fd = fd_close(run->root_fd);
        run->old_root_fd = fd_close(run->old_root_fd);
        r = spec->pivot_new ? open_pivoted(spec, run, e) : open_directory(spec, run, e);
        if (r >= 0)
                r = check_system(spec, run->root_fd, -EBADF, e);
        return r < 0 ? r : root_view_check(spec, run->root_fd, e);
}

int root_use_image(const Spec *spec, Run *run, int usr_fd, Error *e) {
        int r = 0;

        run->old_root_fd = fd_close(run->old_root_fd);
        if (spec->pivot_new) {
                _cleanup_fd_ int image = TAKE_FD(run->root_fd);
                r = use_pivoted(spec, image, run, e);
        }
        if (r >= 0)
                r = check_system(spec, run->root_fd, usr_fd, e);
        return r < 0 ? r : root_view_check(spec, run->root_fd, e);
}

int root_isolate(Run *run, Error *e) {
        if (run->ephemeral_fd >= 0)
                return root_view_enter(run, e);
        int r = mount_make_private();
        return r < 0 ? error_set(e, r, "cannot leave the host's mount propagation: %m") : 0;
}

/* Mount points that a tree may lack, and that only PID 1 will mount on, which may not make them. Made
 * through the mount as it is on disk, by its owner. */
static int make_base_directories(int root_fd) {
        static const char *const names[] = { "proc", "sys" };
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (faccessat(root_fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        continue;
                if (errno != ENOENT)
                        return -errno;
                if (fstat(root_fd, &st) < 0)
                        return -errno;
                if (mkdirat(root_fd, names[i], 0755) < 0)
                        return errno == EROFS ? 0 : -errno;
                if (fchownat(root_fd, names[i], st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
        }
        return 0;
}

/* How the root of a container is tied to the host's mount that it is a copy of, which is shared or is not.
 * Return: MS_*; 0 = as it is. */
static uint64_t propagation_of(const Spec *spec) {
        switch (spec->oci ? spec->oci->linux_.rootfs_propagation : OCI_PROPAGATION_UNSET) {
        case OCI_PROPAGATION_SHARED:
        case OCI_PROPAGATION_RSHARED:
                return 0;
        case OCI_PROPAGATION_SLAVE:
        case OCI_PROPAGATION_RSLAVE:
                return MS_SLAVE;
        default:
                return MS_PRIVATE;
        }
}

/* Gives all mounts of a tree that is still detached what they are to have. */
static int dress(int fd, const Spec *spec, const IdPlan *ids, const Run *run, Error *e) {
        struct mount_attr attr = { .propagation = propagation_of(spec) };

        if (!spec_writes_image(spec))
                attr.attr_set |= MOUNT_ATTR_RDONLY;
        if (!spec_keeps_devices(spec))
                attr.attr_set |= MOUNT_ATTR_NODEV;
        int r = owners_set_attributes(ids, run->userns_fd, fd, &attr, e);
        return r < 0 ? error_wrap(e, r, "'%s'", spec_place(spec)) : 0;
}

/* Shows the image's own root in the one that took its place. */
static int attach_old_root(const Spec *spec, Run *run, Error *e) {
        _cleanup_fd_ int target = path_open_in_root(run->root_fd, spec->pivot_old,
                                                    O_PATH | O_DIRECTORY, 0);
        int r = target;

        if (target == -ENOENT) {
                r = mount_act_as(run->uid_base);
                if (r >= 0)
                        r = target = path_mkdirs_in_root(run->root_fd, spec->pivot_old, 0755,
                                                         run->uid_base, run->uid_base);
                (void) mount_act_as(0);
        }
        if (r >= 0)
                r = mount_attach(run->old_root_fd, target);
        return r < 0 ? error_set(e, r, "cannot show the image's own root at '%s': %m",
                                 spec->pivot_old)
                     : 0;
}

int root_make_base(Run *run, Error *e) {
        int r = mount_act_as(run->uid_base);

        if (r >= 0)
                r = make_base_directories(run->root_fd);
        (void) mount_act_as(0);
        return r < 0 ? error_set(e, r, "cannot make base directories in it: %m") : 0;
}

int root_attach(const Spec *spec, const IdPlan *ids, Run *run, Error *e) {
        int r = 0;

        /* A stack is mapped already. */
        if (spec_writes_image(spec) && spec->is_stack)
                r = root_make_base(run, e);
        else if (spec_writes_image(spec) && spec_has_private_users(spec) && spec_is_machine(spec) &&
                 (r = make_base_directories(run->root_fd)) < 0)
                (void) error_set(e, r, "cannot make base directories in '%s': %m",
                                 spec_place(spec));
        if (r >= 0 && !spec->is_stack)
                r = dress(run->root_fd, spec, ids, run, e);
        if (r >= 0 && run->old_root_fd >= 0)
                r = dress(run->old_root_fd, spec, ids, run, e);
        if (r >= 0)
                r = root_view_apply(spec, run, e);
        if (r >= 0 && run->old_root_fd >= 0)
                r = attach_old_root(spec, run, e);
        return r;
}

int root_pin_api(Run *run, Error *e) {
        static const char *const types[] = { "proc", "sysfs" }, *const where[] = { "/proc",
                                                                                   "/sys" };

        (void) run;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_fd_ int fd = mount_new(types[i], NULL, 0, e);
                if (fd < 0)
                        return fd;
                int r = mount_attach_at(fd, AT_FDCWD, where[i]);
                if (r < 0)
                        return error_set(e, r, "cannot mount %s over '%s': %m", types[i], where[i]);
        }
        return 0;
}

int root_adopt(Run *run, Error *e) {
        if (fchdir(run->root_fd) < 0 || unshare(CLONE_NEWNS) < 0)
                return error_set(e, errno, "cannot make a mount namespace: %m");

        (void) fd_close(run->root_fd);
        run->root_fd = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (run->root_fd < 0)
                return error_set(e, errno, "cannot copy the root: %m");
        int r = mount_attach_at(run->root_fd, AT_FDCWD, ".");
        return r < 0 ? error_set(e, r, "cannot attach the root: %m") : 0;
}

/* Inside, as on any host, what is mounted is seen by the mount namespaces that services get. */
static int make_shared(Error *e) {
        struct mount_attr attr = { .propagation = MS_SHARED };

        return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0
                       ? error_set(e, errno, "cannot make the mounts shared: %m")
                       : 0;
}

/* What a container that says so has its mounts be, once they are all there. */
static int settle(const Spec *spec, Error *e) {
        static const struct {
                uint64_t propagation;
                bool deep;
        } ways[_OCI_PROPAGATION_MAX] = {
                [OCI_PROPAGATION_SHARED] = { MS_SHARED, false },
                [OCI_PROPAGATION_RSHARED] = { MS_SHARED, true },
                [OCI_PROPAGATION_UNBINDABLE] = { MS_UNBINDABLE, false },
                [OCI_PROPAGATION_RUNBINDABLE] = { MS_UNBINDABLE, true },
        };

        if (!spec->oci)
                return make_shared(e);
        int way = spec->oci->linux_.rootfs_propagation;
        struct mount_attr attr = { .propagation = ways[way].propagation };
        if (attr.propagation &&
            mount_setattr(AT_FDCWD, "/", ways[way].deep ? AT_RECURSIVE : 0, &attr, sizeof attr) < 0)
                return error_set(e, errno, "linux.rootfsPropagation: %m");
        return 0;
}

int root_pivot(const Spec *spec, Run *run, Error *e) {
        if (fchdir(run->root_fd) < 0)
                return error_set(e, errno, "cannot enter the root: %m");

        if (syscall(SYS_pivot_root, ".", ".") >= 0) {
                if (umount2(".", MNT_DETACH) < 0)
                        return error_set(e, errno, "cannot detach the host's root: %m");
                if (chdir("/") < 0)
                        return error_set(e, errno, "cannot enter the root: %m");
                return settle(spec, e);
        }

        /* The initial ramfs cannot be pivoted away; our root goes on top of it, which is as good. */
        if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
            chdir("/") < 0)
                return error_set(e, errno, "cannot change the root: %m");
        return settle(spec, e);
}
