/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and sets quota groups by the ioctls of btrfs: the former is a search in the quota tree. The group of a
 * subvolume with all below it is the one that systemd makes: of the highest level, with the subvolume's number. */
#include "image/quota-group.h"

#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>

#define TREE_LEVEL  UINT64_C(255)
#define TREE_ID(id) (TREE_LEVEL << 48 | (id))
#define DEPTH_MAX   64

static int get_id(int fd, __u64 *ret) {
        struct btrfs_ioctl_ino_lookup_args args = { .objectid = BTRFS_FIRST_FREE_OBJECTID };

        if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, &args) < 0)
                return -errno;
        *ret = args.treeid;
        return 0;
}

/* Finds one item of the quota tree. Return: 1; 0 there is none; -errno (-ENOENT: no such tree). */
static int find_item(int fd, uint32_t type, uint64_t offset, void *item, size_t size) {
        struct btrfs_ioctl_search_args args = {
                .key = { .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
                         .min_type = type,
                         .max_type = type,
                         .min_offset = offset,
                         .max_offset = offset,
                         .max_transid = UINT64_MAX,
                         .nr_items = 1 },
        };
        struct btrfs_ioctl_search_header header;

        if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
                return -errno;
        if (args.key.nr_items == 0)
                return 0;
        memcpy(&header, args.buf, sizeof(header));
        if (header.type != type || header.offset != offset || header.len < size)
                return 0;
        memcpy(item, args.buf + sizeof(header), size);
        return 1;
}

/* Return: 0 they are on and right; -ENOTCONN; -EAGAIN; -errno. */
static int check_status(int fd) {
        struct btrfs_qgroup_status_item status;
        int r = find_item(fd, BTRFS_QGROUP_STATUS_KEY, 0, &status, sizeof(status));

        if (r == -ENOENT || r == 0)
                return -ENOTCONN;
        if (r < 0)
                return r;
        uint64_t flags = le64toh(status.flags);
        if (!(flags & BTRFS_QGROUP_STATUS_FLAG_ON))
                return -ENOTCONN;
        return flags & (BTRFS_QGROUP_STATUS_FLAG_RESCAN | BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT)
                       ? -EAGAIN
                       : 0;
}

/* What is counted for a group. Return: as quota_group_read(). */
static int read_group(int fd, uint64_t id, uint64_t *ret_usage, uint64_t *ret_exclusive,
                      uint64_t *ret_limit, uint64_t *ret_limit_exclusive) {
        struct btrfs_qgroup_limit_item limit = {};
        struct btrfs_qgroup_info_item info;
        int r = check_status(fd);

        if (r >= 0)
                r = find_item(fd, BTRFS_QGROUP_INFO_KEY, id, &info, sizeof(info));
        if (r <= 0)
                return r < 0 ? r : -ENOTCONN;
        r = find_item(fd, BTRFS_QGROUP_LIMIT_KEY, id, &limit, sizeof(limit));
        if (r < 0)
                return r;
        uint64_t flags = le64toh(limit.flags);

        *ret_usage = le64toh(info.rfer);
        *ret_exclusive = le64toh(info.excl);
        *ret_limit = flags & BTRFS_QGROUP_LIMIT_MAX_RFER ? le64toh(limit.max_rfer) : UINT64_MAX;
        *ret_limit_exclusive = flags & BTRFS_QGROUP_LIMIT_MAX_EXCL ? le64toh(limit.max_excl)
                                                                   : UINT64_MAX;
        return 0;
}

int quota_group_read(int fd, uint64_t *ret_usage, uint64_t *ret_exclusive, uint64_t *ret_limit,
                     uint64_t *ret_limit_exclusive) {
        __u64 id;
        int r = get_id(fd, &id);

        return r < 0 ? r
                     : read_group(fd, id, ret_usage, ret_exclusive, ret_limit, ret_limit_exclusive);
}

int quota_group_read_tree(int fd, uint64_t *ret_usage, uint64_t *ret_limit) {
        uint64_t exclusive, limit_exclusive;
        __u64 id;
        int r = get_id(fd, &id);

        return r < 0 ? r
                     : read_group(fd, TREE_ID(id), ret_usage, &exclusive, ret_limit,
                                  &limit_exclusive);
}

static int set_limit(int fd, uint64_t id, uint64_t limit) {
        struct btrfs_ioctl_qgroup_limit_args args = {
                .qgroupid = id,
                .lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = limit },
        };
        int r = check_status(fd);

        /* While it counts, limits can be set as well. */
        if (r < 0 && r != -EAGAIN)
                return r;
        return ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
}

int quota_group_set_limit(int fd, uint64_t limit) {
        __u64 id;
        int r = get_id(fd, &id);

        return r < 0 ? r : set_limit(fd, id, limit);
}

/* Return: 1 it is now, and what was counted may be wrong; 0; -errno. */
static int assign(int fd, uint64_t id, uint64_t tree) {
        struct btrfs_ioctl_qgroup_assign_args args = { .assign = 1, .src = id, .dst = tree };
        int r = ioctl(fd, BTRFS_IOC_QGROUP_ASSIGN, &args);

        return r >= 0 ? r > 0 : errno == EEXIST ? 0 : -errno;
}

/* Puts a subvolume and those below it into a group. Return: as assign(). */
static int assign_all(int fd, uint64_t id, uint64_t tree, unsigned depth) {
        struct btrfs_ioctl_search_args args = {
                .key = { .tree_id = BTRFS_ROOT_TREE_OBJECTID,
                         .min_objectid = id,
                         .max_objectid = id,
                         .min_type = BTRFS_ROOT_REF_KEY,
                         .max_type = BTRFS_ROOT_REF_KEY,
                         .max_offset = UINT64_MAX,
                         .max_transid = UINT64_MAX },
        };
        int r = assign(fd, id, tree), worst = r;

        while (r >= 0 && depth < DEPTH_MAX) {
                size_t at = 0;

                args.key.nr_items = 4096;
                if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
                        return -errno;
                if (args.key.nr_items == 0)
                        break;
                for (uint32_t i = 0; i < args.key.nr_items && r >= 0; i++) {
                        struct btrfs_ioctl_search_header header;

                        memcpy(&header, args.buf + at, sizeof(header));
                        at += sizeof(header) + header.len;
                        r = assign_all(fd, header.offset, tree, depth + 1);
                        worst = r > 0 ? r : worst;
                        args.key.min_offset = header.offset + 1;
                }
        }
        return r < 0 ? r : worst;
}

/* Those who read the numbers meanwhile are told that they are not known. */
static int count_again(int fd) {
        struct btrfs_ioctl_quota_rescan_args args = {};

        return ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &args) < 0 && errno != EINPROGRESS ? -errno : 0;
}

/* Return: 1 a subvolume has such a group; 0 it has none; -errno. */
static int has_tree(int fd, uint64_t id) {
        struct btrfs_qgroup_info_item info;
        int r = find_item(fd, BTRFS_QGROUP_INFO_KEY, TREE_ID(id), &info, sizeof(info));

        return r == -ENOENT ? 0 : r;
}

/* The limit comes first where there is a group: where one is reached, nobody can be put into it. */
int quota_group_set_tree_limit(int fd, uint64_t limit) {
        struct btrfs_ioctl_qgroup_create_args args = { .create = 1 };
        __u64 id;
        int r = get_id(fd, &id), had;

        if (r >= 0)
                r = check_status(fd);
        if (r < 0 && r != -EAGAIN)
                return r;
        had = has_tree(fd, id);
        if (had < 0 || (had == 0 && limit == UINT64_MAX))
                return had;
        args.qgroupid = TREE_ID(id);
        r = had                                             ? set_limit(fd, args.qgroupid, limit)
            : ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0 ? -errno
                                                            : 0;
        if (r < 0 || limit == UINT64_MAX)
                return r;
        r = assign_all(fd, id, args.qgroupid, 0);
        if (r > 0)
                r = count_again(fd);
        return r < 0 || had ? MIN(r, 0) : set_limit(fd, args.qgroupid, limit);
}

int quota_group_join(int dir_fd, int fd) {
        __u64 id, above;
        int r = get_id(dir_fd, &above);

        if (r >= 0)
                r = has_tree(fd, above);
        if (r <= 0)
                return r == -EPERM ? 0 : r;
        r = get_id(fd, &id);
        if (r >= 0)
                r = assign(fd, id, TREE_ID(above));
        return r > 0 ? count_again(fd) : r;
}
