/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What skep needs of btrfs: telling, making, snapshotting and deleting subvolumes. How they are counted is
 * quota-group.c's; no library, as these few ioctls are all there is to it. */
#include "image/subvolume.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/path.h"
#include "image/quota-group.h"

#define SUBVOLUME_INODE 256 /* BTRFS_FIRST_FREE_OBJECTID: inode of every subvolume's top */
#define DEPTH_MAX       256

static bool is_btrfs(int fd) {
        struct statfs f;

        return fstatfs(fd, &f) >= 0 && (uint32_t) f.f_type == BTRFS_SUPER_MAGIC;
}

bool subvolume_is(int fd) {
        struct stat st;

        return fstat(fd, &st) >= 0 && S_ISDIR(st.st_mode) && st.st_ino == SUBVOLUME_INODE &&
               is_btrfs(fd);
}

bool subvolume_is_top(int fd) {
        struct btrfs_ioctl_get_subvol_info_args info = {};

        return ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) >= 0 && info.parent_id == 0;
}

int subvolume_get_id(int fd, uint64_t *ret) {
        struct btrfs_ioctl_get_subvol_info_args info = {};

        if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0)
                return -errno;
        *ret = info.treeid;
        return 0;
}

int subvolume_get_read_only(int fd, bool *ret) {
        uint64_t flags;

        if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) < 0)
                return -errno;
        *ret = flags & BTRFS_SUBVOL_RDONLY;
        return 0;
}

int subvolume_set_read_only(int fd, bool read_only) {
        uint64_t flags;

        if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) < 0)
                return -errno;
        flags = read_only ? flags | BTRFS_SUBVOL_RDONLY : flags & ~(uint64_t) BTRFS_SUBVOL_RDONLY;
        return ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags) < 0 ? -errno : 0;
}

int subvolume_get_times(int fd, uint64_t *ret_crtime, uint64_t *ret_mtime) {
        struct btrfs_ioctl_get_subvol_info_args info = {};

        if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0)
                return -errno;
        *ret_crtime = info.otime.sec * 1000000 + info.otime.nsec / 1000;
        *ret_mtime = info.ctime.sec * 1000000 + info.ctime.nsec / 1000;
        return 0;
}

/* What is new counts for what it was made in. That it is not counted is no reason not to have it. */
static int join_group(int dir_fd, const char *name) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0)
                (void) quota_group_join(dir_fd, fd);
        return 0;
}

int subvolume_create(int dir_fd, const char *name) {
        struct btrfs_ioctl_vol_args args = {};

        if (strlen(name) >= sizeof(args.name))
                return -ENAMETOOLONG;
        memcpy(args.name, name, strlen(name) + 1);
        return ioctl(dir_fd, BTRFS_IOC_SUBVOL_CREATE, &args) < 0 ? -errno
                                                                 : join_group(dir_fd, name);
}

int subvolume_snapshot(int source_fd, int dir_fd, const char *name, bool read_only) {
        struct btrfs_ioctl_vol_args_v2 args = {
                .fd = source_fd,
                .flags = read_only ? BTRFS_SUBVOL_RDONLY : 0,
        };

        if (strlen(name) >= sizeof(args.name))
                return -ENAMETOOLONG;
        memcpy(args.name, name, strlen(name) + 1);
        return ioctl(dir_fd, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0 ? -errno
                                                                  : join_group(dir_fd, name);
}

static int snapshot_nested(int source_fd, int top_fd, int pool_fd, bool read_only, unsigned depth);

/* Where a nested subvolume is, its snapshot has an empty directory. */
static int snapshot_one(int source_fd, int top_fd, const char *path, const char *name, int pool_fd,
                        bool read_only, unsigned depth) {
        _cleanup_free_ char *whole = str_format("%s%s", path, name);
        _cleanup_fd_ int parent = -EBADF, from = -EBADF, to = -EBADF;
        int r;

        if (!whole)
                return -ENOMEM;
        parent = path_open_beneath(top_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
        from = path_open_beneath(source_fd, whole, O_RDONLY | O_DIRECTORY, 0);
        /* Gone meanwhile, or something is mounted over it. */
        if (parent < 0 || from < 0 || !subvolume_is(from))
                return parent == -ENOENT || from == -ENOENT || from >= 0 ? 0 : MIN(parent, from);
        if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return -errno;
        r = subvolume_snapshot(from, parent, name, false);
        if (r < 0)
                return r;
        to = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0)
                return -errno;
        (void) quota_group_join(pool_fd, to);
        r = snapshot_nested(from, to, pool_fd, read_only, depth + 1);
        return r >= 0 && read_only ? subvolume_set_read_only(to, true) : r;
}

static int snapshot_nested(int source_fd, int top_fd, int pool_fd, bool read_only, unsigned depth) {
        struct btrfs_ioctl_get_subvol_rootref_args found = {};
        int more, r = 0;

        if (depth > DEPTH_MAX)
                return -ELOOP;
        do {
                more = ioctl(source_fd, BTRFS_IOC_GET_SUBVOL_ROOTREF, &found);
                if (more < 0 && errno != EOVERFLOW)
                        return -errno;
                for (unsigned i = 0; i < found.num_items && r >= 0; i++) {
                        struct btrfs_ioctl_ino_lookup_user_args args = {
                                .dirid = found.rootref[i].dirid,
                                .treeid = found.rootref[i].treeid,
                        };

                        if (ioctl(source_fd, BTRFS_IOC_INO_LOOKUP_USER, &args) < 0)
                                r = errno == ENOENT ? 0 : -errno;
                        else
                                r = snapshot_one(source_fd, top_fd, args.path, args.name, pool_fd,
                                                 read_only, depth);
                }
        } while (more < 0 && r >= 0);
        return r;
}

int subvolume_snapshot_all(int source_fd, int dir_fd, const char *name, bool read_only) {
        int r = subvolume_snapshot(source_fd, dir_fd, name, false);

        if (r < 0)
                return r;
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : snapshot_nested(source_fd, fd, dir_fd, read_only, 0);
        return r >= 0 && read_only ? subvolume_set_read_only(fd, true) : r;
}

static int subvolume_destroy(int dir_fd, const char *name) {
        struct btrfs_ioctl_vol_args args = {};

        if (strlen(name) >= sizeof(args.name))
                return -ENAMETOOLONG;
        memcpy(args.name, name, strlen(name) + 1);
        return ioctl(dir_fd, BTRFS_IOC_SNAP_DESTROY, &args) < 0 ? -errno : 0;
}

static int destroy_recursive(int dir_fd, const char *name, unsigned depth);

/* Removes the subvolumes below @dir_fd_in, which it owns, and leaves everything else. */
static int destroy_nested(int dir_fd_in, unsigned depth) {
        _cleanup_fd_ int fd = dir_fd_in;
        _cleanup_dir_ DIR *d = fdopendir(fd);
        struct dirent *de;
        struct stat top;

        if (!d)
                return -errno;
        fd = -EBADF;
        if (depth > DEPTH_MAX)
                return -ELOOP;
        if (fstat(dirfd(d), &top) < 0)
                return -errno;

        while ((de = readdir(d))) {
                if (de->d_type != DT_DIR || streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;

                _cleanup_fd_ int child = openat(dirfd(d), de->d_name,
                                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                struct stat st;
                int r = 0;

                if (child < 0 || fstat(child, &st) < 0)
                        return -errno;
                if (subvolume_is(child))
                        r = destroy_recursive(dirfd(d), de->d_name, depth + 1);
                else if (st.st_dev == top.st_dev)
                        r = destroy_nested(TAKE_FD(child), depth + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int destroy_recursive(int dir_fd, const char *name, unsigned depth) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bool ro = false;
        int r;

        if (fd < 0)
                return -errno;
        if (subvolume_get_read_only(fd, &ro) >= 0 && ro)
                (void) subvolume_set_read_only(fd, false);

        r = subvolume_destroy(dir_fd, name);
        if (r != -ENOTEMPTY)
                return r;

        r = destroy_nested(TAKE_FD(fd), depth);
        return r < 0 ? r : subvolume_destroy(dir_fd, name);
}

int tree_remove(int dir_fd, const char *name) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0 && subvolume_is(fd))
                return destroy_recursive(dir_fd, name, 0);
        if (fd >= 0 && is_btrfs(fd)) {
                int r = destroy_nested(TAKE_FD(fd), 0);
                if (r < 0)
                        return r;
        }
        return path_remove_tree(dir_fd, name);
}
