/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file system of a stranger may be: only those that the kernel's authors look after, with the options
 * that keep one that is not to be written to as it is. */
#include "image/file-system.h"

#define ERRORS "errors=remount-ro"

static const FileSystem file_systems[] = {
        /* One that finds itself damaged would do what it was told to do then, when it was made: such as
         * halt the host. */
        { "ext2", "ext4", false, false, ERRORS, NULL },
        { "ext3", "ext4", false, false, ERRORS, ERRORS ",norecovery" },
        { "ext4", "ext4", false, false, ERRORS, ERRORS ",norecovery" },
        /* Copies of one image may be mounted side by side. */
        { "xfs", "xfs", false, false, "nouuid", "nouuid,norecovery" },
        { "btrfs", "btrfs", false, false, NULL, "rescue=nologreplay" },
        { "f2fs", "f2fs", false, false, NULL, "norecovery" },
        { "erofs", "erofs", true, false, NULL, NULL },
        { "squashfs", "squashfs", true, false, NULL, NULL },
        { "vfat", "vfat", false, true, "umask=0077", NULL },
};

const FileSystem *file_system_find(const char *fstype) {
        for (size_t i = 0; i < ELEMENTSOF(file_systems); i++)
                if (streq(file_systems[i].fstype, fstype))
                        return file_systems + i;
        return NULL;
}

const char *file_system_options(const FileSystem *f, bool read_only) {
        return read_only && f->unwritten ? f->unwritten : f->options;
}
