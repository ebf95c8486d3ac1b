/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hides things of the image, see inaccessible.h. The nodes are those that /run/host/inaccessible has for
 * services of the machine, too. */
#include "spawn/inaccessible.h"

#include <sys/mount.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "spawn/mount.h"

static const char *node_for(mode_t mode) {
        switch (mode & S_IFMT) {
        case S_IFREG:
                return "reg";
        case S_IFDIR:
                return "dir";
        case S_IFIFO:
                return "fifo";
        case S_IFSOCK:
                return "sock";
        case S_IFCHR:
                return "chr";
        case S_IFBLK:
                return "blk";
        }
        return NULL;
}

/* A detached mount of the node that stands for files of this kind. */
static int make_mask(mode_t mode, uint64_t attributes, const Run *run, Error *e) {
        struct mount_attr attr = { .attr_set = attributes, .propagation = MS_PRIVATE };
        const char *name = node_for(mode);
        char path[64];

        if (!name)
                return error_set(e, EINVAL, "it is of a kind that cannot be hidden");
        (void) snprintf(path, sizeof path, "/run/host/inaccessible/%s", name);
        _cleanup_fd_ int node = path_open_in_root(run->root_fd, path, O_PATH, 0);
        if (node < 0)
                return error_set(e, node, "cannot open '%s': %m", path);
        _cleanup_fd_ int fd = open_tree(node, "",
                                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot copy the mount of '%s': %m", path);
        return TAKE_FD(fd);
}

/* Fail closed. */
static int check(const char *path, int mask, const Run *run, Error *e) {
        _cleanup_fd_ int there = path_open_in_root(run->root_fd, path, O_PATH, 0);
        struct stat wanted, seen;

        if (there < 0)
                return error_set(e, there, "cannot check the mask: %m");
        if (fstat(mask, &wanted) < 0 || fstat(there, &seen) < 0)
                return error_set(e, errno, "cannot check the mask: %m");
        if (wanted.st_dev != seen.st_dev || wanted.st_ino != seen.st_ino || seen.st_mode & 07777)
                return error_set(e, EPERM, "the mask did not take hold");
        return 0;
}

int inaccessible_apply(const char *path, uint64_t attributes, const Run *run, Error *e) {
        _cleanup_fd_ int target = path_open_in_root(run->root_fd, path, O_PATH, 0);
        struct stat st;
        int r;

        if (target < 0)
                return error_set(e, target, "cannot hide '%s' of the image: %m", path);
        if (fstat(target, &st) < 0)
                return error_set(e, errno, "cannot look at '%s' of the image: %m", path);
        _cleanup_fd_ int mask = make_mask(st.st_mode, attributes, run, e);
        if (mask < 0)
                return mask;
        r = mount_attach(mask, target);
        return r < 0 ? error_set(e, r, "cannot attach it: %m") : check(path, mask, run, e);
}
