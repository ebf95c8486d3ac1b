/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of images, see quota.h: which kind of image is limited by what. The groups of btrfs are quota-group.c's,
 * projects are here. */
#include "image/quota.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/change.h"
#include "image/pool.h"
#include "image/quota-group.h"
#include "image/subvolume.h"

#define BLOCK         1024 /* bytes that limits are counted in */
#define PROJECT_FIRST UINT32_C(0x534b0000)
#define PROJECTS      0x10000
#define DEPTH_MAX     256

static int quota_call(int fd, unsigned command, uint32_t id, struct if_dqblk *q) {
        return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, q) < 0 ? -errno : 0;
}

/* Return: the project of a directory or file, 0 = none; -errno. */
static int64_t get_project(int fd) {
        struct fsxattr x;

        return ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0 ? -errno : (int64_t) x.fsx_projid;
}

/* The same, if the project is not that of the folder above, which is somebody's who counts more than an image. */
static int64_t get_own_project(int fd) {
        _cleanup_fd_ int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st, st_above;
        int64_t id = get_project(fd);

        if (id <= 0)
                return id;
        if (above < 0 || fstat(fd, &st) < 0 || fstat(above, &st_above) < 0)
                return -errno;
        return st.st_dev == st_above.st_dev && get_project(above) == id ? -EXDEV : id;
}

static int set_project(int fd, uint32_t id, bool is_directory) {
        struct fsxattr x;

        if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
                return -errno;
        x.fsx_projid = id;
        if (is_directory)
                x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
        return ioctl(fd, FS_IOC_FSSETXATTR, &x) < 0 ? -errno : 0;
}

/* Gives a tree a project, its top last: what is not complete is not taken for done. Links and nodes hold no data. */
static int set_tree(int dir_fd, uint32_t id, dev_t device, unsigned depth) {
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);
        struct dirent *de;

        if (!d)
                return -errno;
        if (depth > DEPTH_MAX)
                return -ELOOP;
        while ((errno = 0, de = readdir(d))) {
                struct stat st;
                int r;

                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                if (fstatat(dir_fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
                if (st.st_dev != device || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
                        continue;
                _cleanup_fd_ int child = openat(dir_fd, de->d_name,
                                                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
                                                        O_CLOEXEC);
                if (child < 0)
                        return -errno;
                r = S_ISDIR(st.st_mode) ? set_tree(child, id, device, depth + 1)
                                        : set_project(child, id, false);
                if (r < 0)
                        return r;
        }
        return errno != 0 ? -errno : set_project(dir_fd, id, true);
}

/* An ID that nobody uses, from a range of ours. Return: the ID or -errno. */
static int64_t find_project(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        for (uint32_t n = 0; n < PROJECTS; n++) {
                uint32_t id = PROJECT_FIRST + (uint32_t) ((st.st_ino + n) % PROJECTS);
                struct if_dqblk q = {};
                int r = quota_call(fd, Q_GETQUOTA, id, &q);

                if (r == -ENOENT || (r >= 0 && q.dqb_curspace == 0 && q.dqb_curinodes == 0 &&
                                     q.dqb_bhardlimit == 0))
                        return id;
                if (r < 0)
                        return r;
        }
        return -ENOSPC;
}

static int set_project_limit(int fd, const char *path, uint64_t limit, Error *e) {
        int64_t id = get_own_project(fd);
        struct if_dqblk q = { .dqb_valid = QIF_BLIMITS };
        struct stat st;
        int r;

        if (id == -EXDEV && limit != UINT64_MAX)
                return error_set(e, EOPNOTSUPP,
                                 "'%s' belongs to the project of the folder above it", path);
        if (limit != UINT64_MAX)
                q.dqb_bhardlimit = q.dqb_bsoftlimit = MAX(limit / BLOCK, UINT64_C(1));
        else if (id <= 0)
                return 0;
        if (id <= 0) {
                /* Asks first, as to mark a tree that nobody counts is of no use. */
                id = find_project(fd);
                if (id < 0)
                        return error_set(
                                e, EOPNOTSUPP,
                                "the file system of '%s' has no project quotas (it has to be mounted "
                                "with prjquota)",
                                path);
                r = fstat(fd, &st) < 0 ? -errno : set_tree(fd, (uint32_t) id, st.st_dev, 0);
                if (r < 0)
                        return error_set(e, r, "cannot make '%s' a project: %m", path);
        }
        r = quota_call(fd, Q_SETQUOTA, (uint32_t) id, &q);
        return r < 0 ? error_set(e, r == -ESRCH || r == -ENOSYS ? EOPNOTSUPP : r,
                                 "cannot limit '%s', project %u: %m", path, (unsigned) id)
                     : 0;
}

void quota_read_directory(int fd, uint64_t *ret_usage, uint64_t *ret_exclusive, uint64_t *ret_limit,
                          uint64_t *ret_limit_exclusive) {
        *ret_usage = *ret_exclusive = *ret_limit = *ret_limit_exclusive = UINT64_MAX;
        if (subvolume_is(fd)) {
                (void) quota_group_read(fd, ret_usage, ret_exclusive, ret_limit,
                                        ret_limit_exclusive);
                return;
        }
        int64_t id = get_own_project(fd);
        struct if_dqblk q = {};

        if (id <= 0 || quota_call(fd, Q_GETQUOTA, (uint32_t) id, &q) < 0)
                return;
        *ret_usage = *ret_exclusive = q.dqb_curspace;
        if (q.dqb_bhardlimit > 0)
                *ret_limit = *ret_limit_exclusive = q.dqb_bhardlimit * BLOCK;
}

static int explain_group(int r, const char *path, Error *e) {
        if (r == -ENOTCONN)
                return error_set(
                        e, EOPNOTSUPP,
                        "quotas are off on the file system of '%s' (\"btrfs quota enable\" turns them on)",
                        path);
        return r < 0 ? error_set(e, r, "cannot limit '%s': %m", path) : 0;
}

int quota_set_directory(int fd, const char *path, uint64_t limit, Error *e) {
        return subvolume_is(fd) ? explain_group(quota_group_set_limit(fd, limit), path, e)
                                : set_project_limit(fd, path, limit, e);
}

int quota_set_pool(int fd, const char *path, uint64_t limit, Error *e) {
        if (subvolume_is(fd))
                return explain_group(quota_group_set_tree_limit(fd, limit), path, e);
        /* We make none of the whole pool: that would take the images out of theirs. */
        if (get_project(fd) <= 0)
                return error_set(
                        e, EOPNOTSUPP,
                        "the pool '%s' is neither a subvolume of btrfs nor a project (chattr -p), which alone "
                        "can be limited as a whole",
                        path);
        return set_project_limit(fd, path, limit, e);
}

void image_read_quota(Image *i) {
        _cleanup_fd_ int fd = -EBADF;

        if (image_is_host(i) ||
            (i->type != IMAGE_DIRECTORY && i->type != IMAGE_SUBVOLUME && i->type != IMAGE_MSTACK))
                return;
        fd = open(i->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
                quota_read_directory(fd, &i->usage, &i->usage_exclusive, &i->limit,
                                     &i->limit_exclusive);
}

static int grow_disk(const Image *i, uint64_t limit, Error *e) {
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;

        if (limit == UINT64_MAX)
                return error_set(e, EOPNOTSUPP, "the disk image '%s' always ends somewhere",
                                 i->path);
        fd = open(i->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot open '%s': %m", i->path);
        if (i->read_only)
                return error_set(e, EROFS, "image '%s' is read-only", i->name);
        if (limit < (uint64_t) st.st_size)
                return error_set(e, EINVAL, "the disk image '%s' is larger than that (%jd bytes)",
                                 i->path, (intmax_t) st.st_size);
        limit = limit / 4096 * 4096;
        if (limit > (uint64_t) st.st_size && ftruncate(fd, (off_t) limit) < 0)
                return error_set(e, errno, "cannot make '%s' larger: %m", i->path);
        return 0;
}

int image_set_limit(const Image *i, uint64_t limit, Error *e) {
        _cleanup_(image_hold_done) ImageHold hold = {};
        _cleanup_fd_ int fd = -EBADF;
        int r = image_hold(i, &hold, e);

        if (r < 0)
                return r;
        if (i->type == IMAGE_RAW)
                return grow_disk(i, limit, e);
        if (i->type == IMAGE_BLOCK)
                return error_set(e, EOPNOTSUPP, "'%s' is a device, as large as it is", i->path);
        fd = open(i->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", i->path);
        return quota_set_directory(fd, i->path, limit, e);
}
