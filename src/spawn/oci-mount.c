/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts of containers, see oci-mount.h. Finding the place of a mount and attaching it is mount.c's. */
#include "spawn/oci-mount.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/path.h"
#include "image/copy.h"
#include "oci/config.h"
#include "spawn/mount.h"
#include "spawn/oci-spec.h"
#include "spawn/userns.h"

static int set(int fd, uint64_t to_set, uint64_t to_clear, uint64_t propagation, bool deep) {
        struct mount_attr attr = { .attr_set = to_set,
                                   .attr_clr = to_clear,
                                   .propagation = propagation };

        if (!to_set && !to_clear && !propagation)
                return 0;
        return mount_setattr(fd, "", AT_EMPTY_PATH | (deep ? AT_RECURSIVE : 0), &attr,
                             sizeof attr) < 0
                       ? -errno
                       : 0;
}

/* Unless the document says what mode it is to have, it has that of what it covers; or even all that is in it. */
static int fill_memory(const MountItem *m, int fd, int target_fd, bool existed, Error *e) {
        struct stat st;

        if (!existed)
                return 0;
        if (m->view->copy_up) {
                _cleanup_fd_ int from = openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                _cleanup_fd_ int to = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (from < 0 || to < 0)
                        return error_set(e, errno, "cannot open it, to copy it: %m");
                return copy_tree(from, to, e);
        }
        if (m->options && (str_skip_prefix(m->options, "mode=") || strstr(m->options, ",mode=")))
                return 0;
        if (fstat(target_fd, &st) < 0 || fchmodat(fd, ".", st.st_mode & 07777, 0) < 0)
                return error_set(e, errno, "cannot give it the mode of what it covers: %m");
        return 0;
}

/* What payloads and their libraries write to /proc has to get to the kernel, or they only think that they did
 * something. */
static int check_proc(const MountItem *m, int fd, Error *e) {
        struct statfs fs;

        if (!streq(m->target, "/proc"))
                return 0;
        if (fstatfs(fd, &fs) < 0)
                return error_set(e, errno, "cannot look at it: %m");
        return fs.f_type == PROC_SUPER_MAGIC
                       ? 0
                       : error_set(e, EINVAL, "nothing but a proc may be mounted on /proc");
}

static int check_read_only(int fd, Error *e) {
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return error_set(e, errno, "cannot check it: %m");
        return fs.f_flags & ST_RDONLY ? 0 : error_set(e, EPERM, "it is still writable");
}

int oci_mount_dress(const MountItem *m, int fd, int target_fd, bool existed, Error *e) {
        const MountView *v = m->view;
        bool is_bind = m->type == MOUNT_HOST || m->type == MOUNT_SELF || m->flags & MOUNT_OWN_GROUP;
        uint64_t propagation = v->propagation ? v->propagation : MS_PRIVATE;
        bool deep_propagation = v->deep_propagation || !v->propagation;
        int r = check_proc(m, fd, e);

        if (r < 0)
                return r;

        /* A copy of a shared mount is a peer of it, which one of a slave is to lose. */
        if (is_bind || v->propagation)
                r = set(fd, 0, 0, propagation, deep_propagation);
        if (r >= 0 && is_bind)
                r = set(fd, v->deep_set, v->deep_clear, 0, true);
        if (r >= 0 && is_bind)
                r = set(fd, v->set, v->clear, 0, false);
        if (r < 0)
                return error_set(e, r, "cannot set its attributes: %m");
        r = is_bind && v->set & MOUNT_ATTR_RDONLY ? check_read_only(fd, e) : 0;
        if (r < 0)
                return r;
        return m->type == MOUNT_TMPFS ? fill_memory(m, fd, target_fd, existed, e) : 0;
}

/* What the mount is known by, as long as it is. */
static int mount_id(int fd, uint64_t *ret) {
        struct statx stx;

        if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &stx) < 0)
                return -errno;
        if (!(stx.stx_mask & STATX_MNT_ID))
                return -EOPNOTSUPP;
        *ret = stx.stx_mnt_id;
        return 0;
}

int oci_mount_see(int fd, const char *path, const Run *run, Error *e) {
        _cleanup_fd_ int there = path_open_in_root(run->root_fd, path, O_PATH, 0);
        uint64_t wanted = 0, seen = 0;
        int r = there;

        if (r >= 0)
                r = mount_id(fd, &wanted);
        if (r >= 0)
                r = mount_id(there, &seen);
        if (r < 0)
                return error_set(e, r, "cannot check it: %m");
        return wanted == seen ? 0 : error_set(e, EPERM, "what is seen there is something else");
}

/* A copy of the null device of the host, which we still have as our root. */
static int copy_null(Error *e) {
        _cleanup_fd_ int fd = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot copy the mount of '/dev/null' of the host: %m");
        if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
                return error_set(e, EPERM, "'/dev/null' of the host is something else");
        return TAKE_FD(fd);
}

int oci_mount_cover(const MountItem *m, const Run *run, Error *e) {
        _cleanup_fd_ int target = path_open_in_root(run->root_fd, m->target, O_PATH, 0);
        struct stat st;
        int r;

        if (target == -ENOENT || target == -ENOTDIR)
                return 0;
        if (target < 0 || fstat(target, &st) < 0)
                return error_set(e, target < 0 ? target : errno, "cannot look at it: %m");
        _cleanup_fd_ int fd = S_ISDIR(st.st_mode)
                                      ? mount_new("tmpfs", "size=0,nr_inodes=2,mode=0755",
                                                  m->attributes, e)
                                      : copy_null(e);
        if (fd < 0)
                return fd;
        r = S_ISDIR(st.st_mode) ? 0 : set(fd, 0, 0, MS_PRIVATE, false);
        if (r >= 0)
                r = mount_attach(fd, target);
        return r < 0 ? error_set(e, r, "cannot cover it: %m")
                     : oci_mount_see(fd, m->target, run, e);
}

int oci_mount_close(const MountItem *m, const Run *run, Error *e) {
        int fd = m->of == SIZE_MAX ? run->root_fd : run->source_fds[m->of], r;

        r = set(fd, m->attributes, 0, 0, false);
        return r < 0 ? error_set(e, r, "cannot make it read-only: %m") : check_read_only(fd, e);
}

/* A user namespace that maps as the mount is to. */
static int userns_of(const OciMount *m, Error *e) {
        IdRanges uids, gids;
        int r = oci_spec_ranges(&m->uid_mappings, "uidMappings", &uids, e);

        if (r >= 0)
                r = oci_spec_ranges(&m->gid_mappings, "gidMappings", &gids, e);
        return r < 0 ? r : userns_new(&uids, &gids, e);
}

int oci_mount_map(const MountPlan *plan, const Run *run, Error *e) {
        for (size_t i = 0; i < plan->n; i++) {
                const MountItem *m = plan->items + i;
                struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
                _cleanup_fd_ int own = -EBADF;
                int userns = run->userns_fd;

                if (!m->view || !m->view->idmap)
                        continue;
                if (m->mapping) {
                        userns = own = userns_of(m->mapping, e);
                        if (userns < 0)
                                return error_wrap(e, userns, "mounting %s", m->target);
                }
                attr.userns_fd = (uint64_t) userns;
                if (mount_setattr(run->source_fds[i], "",
                                  AT_EMPTY_PATH | (m->view->deep_idmap ? AT_RECURSIVE : 0), &attr,
                                  sizeof attr) < 0)
                        return error_set(e, errno, "mounting %s: cannot map its IDs: %m",
                                         m->target);
        }
        return 0;
}
