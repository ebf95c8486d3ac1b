/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and sets quota groups by the ioctls of btrfs: the former is a search in the quota tree. */
#include "image/quota-group.h"

#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>

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

int quota_group_read(int fd, uint64_t *ret_usage, uint64_t *ret_exclusive, uint64_t *ret_limit,
                     uint64_t *ret_limit_exclusive) {
        struct btrfs_qgroup_limit_item limit = {};
        struct btrfs_qgroup_info_item info;
        __u64 id;
        int r = get_id(fd, &id);

        if (r >= 0)
                r = check_status(fd);
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

int quota_group_set_limit(int fd, uint64_t limit) {
        struct btrfs_ioctl_qgroup_limit_args args = {
                .lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = limit },
        };
        int r = get_id(fd, &args.qgroupid);

        if (r >= 0)
                r = check_status(fd);
        /* While it counts, limits can be set as well. */
        if (r < 0 && r != -EAGAIN)
                return r;
        return ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
}
