/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growing file systems, each by its own call. What the kernel's headers for programs do not have is said here. */
#include "image/grow.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include "base/fd.h"

#define EXT4_RESIZE _IOW('f', 16, uint64_t)

typedef struct XfsGeometry {
        uint32_t block_size, rt_extent_size, group_blocks, groups, log_blocks, sector_size,
                inode_size, inode_percentage;
        uint64_t data_blocks, rt_blocks, rt_extents, log_start;
        uint8_t uuid[16];
        uint32_t stripe_unit, stripe_width;
        int32_t version;
        uint32_t flags, log_sector_size, rt_sector_size, directory_block_size;
} XfsGeometry;
_Static_assert(sizeof(XfsGeometry) == 112, "as the kernel has it");

typedef struct XfsGrow {
        uint64_t blocks;
        uint32_t inode_percentage;
} XfsGrow;

#define XFS_GEOMETRY _IOR('X', 100, XfsGeometry)
#define XFS_GROW     _IOW('X', 110, XfsGrow)

static int grow_ext4(int fd, uint64_t size) {
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return -errno;
        if (fs.f_bsize <= 0)
                return -EINVAL;
        uint64_t blocks = size / (uint64_t) fs.f_bsize;
        return ioctl(fd, EXT4_RESIZE, &blocks) < 0 ? -errno : 0;
}

static int grow_btrfs(int fd, uint64_t size) {
        struct btrfs_ioctl_vol_args args = { .name = "max" };

        (void) size;
        return ioctl(fd, BTRFS_IOC_RESIZE, &args) < 0 ? -errno : 0;
}

static int grow_xfs(int fd, uint64_t size) {
        XfsGeometry now;

        if (ioctl(fd, XFS_GEOMETRY, &now) < 0)
                return -errno;
        if (now.block_size == 0)
                return -EINVAL;
        XfsGrow grow = { .blocks = size / now.block_size,
                         .inode_percentage = now.inode_percentage };
        return grow.blocks > now.data_blocks && ioctl(fd, XFS_GROW, &grow) < 0 ? -errno : 0;
}

int grow_file_system(int mount_fd, const char *type, uint64_t size) {
        static const struct {
                const char *type;
                int (*grow)(int fd, uint64_t size);
        } kinds[] = {
                { "ext4", grow_ext4 },
                { "btrfs", grow_btrfs },
                { "xfs", grow_xfs },
        };
        _cleanup_fd_ int fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(kinds[i].type, type))
                        return kinds[i].grow(fd, size);
        return -EOPNOTSUPP;
}
