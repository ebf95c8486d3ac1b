/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts the root of a disk image, see disk-root.h. Running one is the spawner's. */
#include "image/disk-root.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "base/path.h"
#include "image/dissect-aide.h"
#include "image/file-system.h"
#include "image/loop.h"

/* Nothing of a stranger's file system is a device of ours or is executed. */
#define ATTRIBUTES (MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

static int set(int fs_fd, const char *option) {
        const char *equals = strchr(option, '=');
        _cleanup_free_ char *name = equals ? strndup(option, (size_t) (equals - option)) : NULL;

        if (!equals)
                return fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0) < 0 ? -errno : 0;
        if (!name)
                return -ENOMEM;
        return fsconfig(fs_fd, FSCONFIG_SET_STRING, name, equals + 1, 0) < 0 ? -errno : 0;
}

static int mount_detached(const FileSystem *f, int device_fd, bool writable, Error *e) {
        _cleanup_fd_ int fs_fd = fsopen(f->type, FSOPEN_CLOEXEC);
        const char *options = file_system_options(f, !writable);
        _cleanup_strv_ char **list = NULL;
        char device[BLOCK_PATH_MAX];
        int r = 0;

        if (options && str_split(options, ",", &list) < 0)
                return error_oom(e);
        if (fs_fd < 0 ||
            fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", block_path(device_fd, device), 0) < 0 ||
            (!writable && fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0))
                return error_set(e, errno, "cannot mount a %s: %m", f->type);
        STRV_FOREACH(o, list)
                if (r >= 0)
                        r = set(fs_fd, *o);
        if (r >= 0 && fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                r = -errno;
        int fd = r < 0 ? r
                       : fsmount(fs_fd, FSMOUNT_CLOEXEC,
                                 ATTRIBUTES | (writable ? 0 : MOUNT_ATTR_RDONLY));
        if (r < 0)
                return error_set(e, r, "cannot mount a %s: %m", f->type);
        return fd < 0 ? error_set(e, errno, "cannot mount a %s: %m", f->type) : fd;
}

static int check(const Partition *p, bool writable, const FileSystem **ret, Error *e) {
        const char *what = partition_designator_name(p->designator);
        const FileSystem *f = file_system_find(p->fstype);

        if (!f || f->is_for_boot)
                return error_set(e, EOPNOTSUPP, "its %s is %s", what,
                                 streq(p->fstype, "crypto_LUKS") ? "encrypted"
                                                                 : "no file system that we mount");
        if (writable && (f->is_read_only || p->flags & PARTITION_READ_ONLY))
                return error_set(e, EROFS, "its %s, a %s, cannot be written to", what, p->fstype);
        *ret = f;
        return 0;
}

/* Return: the file system of a partition, mounted where nobody sees it; -errno. */
static int mount_partition(int image_fd, const Dissection *d, const Partition *p, bool writable,
                           Error *e) {
        const LoopRange range = { .offset = p->offset,
                                  .size = p->number == 0 ? 0 : p->size,
                                  .sector_size = d->sector_size,
                                  .read_only = !writable };
        const FileSystem *f = NULL;
        int r = check(p, writable, &f, e);

        if (r < 0)
                return r;
        _cleanup_fd_ int device = loop_attach(image_fd, &range, e);
        return device < 0 ? device : mount_detached(f, device, writable, e);
}

static int open_root(int image_fd, bool writable, Dissection *d, Error *e) {
        const Partition *p = NULL;
        int r = dissect_image(image_fd, false, d, e);

        if (r >= 0)
                r = dissection_find(d, PARTITION_ROOT, &p, e);
        if (r == 0)
                return error_set(e, ENOMEDIUM, "it has no root partition");
        if (r >= 0 && writable && dissection_find(d, PARTITION_ROOT_VERITY, &p, NULL) != 0)
                return error_set(e, EROFS,
                                 "its root is protected by hashes, which know every byte of it");
        return r < 0 ? r : mount_partition(image_fd, d, p, writable, e);
}

int disk_root_open(const char *path, Error *e) {
        _cleanup_fd_ int image = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        _cleanup_(dissection_done) Dissection d = {};

        if (image < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        int fd = open_root(image, false, &d, e);
        return fd < 0 ? error_wrap(e, fd, "'%s'", path) : fd;
}

/* Shows what is on a partition of its own in its place. */
static int attach(int mount_fd, int root_fd, const char *place, Error *e) {
        _cleanup_fd_ int there = path_open_in_root(root_fd, place, O_PATH | O_DIRECTORY, 0);

        if (there < 0)
                return error_set(e, there, "cannot open %s in it: %m", place);
        if (move_mount(mount_fd, "", there, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
            0)
                return error_set(e, errno, "cannot mount its %s: %m", place);
        return 0;
}

int disk_root_attach_writable(const char *path, const char *at, Error *e) {
        _cleanup_fd_ int image = open(path, O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_(dissection_done) Dissection d = {};
        _cleanup_fd_ int root = -EBADF, var = -EBADF;
        const Partition *p = NULL;

        if (image < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        root = open_root(image, true, &d, e);
        if (root < 0)
                return error_wrap(e, root, "'%s'", path);
        if (move_mount(root, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set(e, errno, "cannot mount '%s': %m", path);
        int r = dissection_find(&d, PARTITION_VAR, &p, e);
        if (r > 0)
                r = var = mount_partition(image, &d, p, true, e);
        if (r > 0)
                r = attach(var, root, "/var", e);
        return r < 0 ? error_wrap(e, r, "'%s'", path) : TAKE_FD(root);
}
