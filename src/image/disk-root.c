/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts the root of a disk image to look at it, see disk-root.h. Running one is the spawner's. */
#include "image/disk-root.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "image/dissect-aide.h"
#include "image/file-system.h"
#include "image/loop.h"

static int find_root(int image_fd, Dissection *d, const Partition **ret, Error *e) {
        int r = dissect_image(image_fd, false, d, e);

        if (r >= 0)
                r = dissection_find(d, PARTITION_ROOT, ret, e);
        return r == 0 ? error_set(e, ENOMEDIUM, "it has no root partition") : MIN(r, 0);
}

static int set(int fs_fd, const char *option) {
        const char *equals = strchr(option, '=');
        _cleanup_free_ char *name = equals ? strndup(option, (size_t) (equals - option)) : NULL;

        if (!equals)
                return fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0) < 0 ? -errno : 0;
        if (!name)
                return -ENOMEM;
        return fsconfig(fs_fd, FSCONFIG_SET_STRING, name, equals + 1, 0) < 0 ? -errno : 0;
}

static int mount_detached(const FileSystem *f, int device_fd, Error *e) {
        _cleanup_fd_ int fs_fd = fsopen(f->type, FSOPEN_CLOEXEC);
        const char *options = file_system_options(f, true);
        _cleanup_strv_ char **list = NULL;
        char device[BLOCK_PATH_MAX];
        int r = 0;

        if (options && str_split(options, ",", &list) < 0)
                return error_oom(e);
        if (fs_fd < 0 ||
            fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", block_path(device_fd, device), 0) < 0 ||
            fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
                return error_set(e, errno, "cannot mount a %s: %m", f->type);
        STRV_FOREACH(o, list)
                if (r >= 0)
                        r = set(fs_fd, *o);
        if (r >= 0 && fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                r = -errno;
        int fd = r < 0 ? r
                       : fsmount(fs_fd, FSMOUNT_CLOEXEC,
                                 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
                                         MOUNT_ATTR_NOEXEC);
        if (r < 0)
                return error_set(e, r, "cannot mount a %s: %m", f->type);
        return fd < 0 ? error_set(e, errno, "cannot mount a %s: %m", f->type) : fd;
}

int disk_root_open(const char *path, Error *e) {
        _cleanup_fd_ int image = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        _cleanup_(dissection_done) Dissection d = {};
        _cleanup_fd_ int device = -EBADF;
        const Partition *p = NULL;

        if (image < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        int r = find_root(image, &d, &p, e);
        if (r < 0)
                return error_wrap(e, r, "'%s'", path);

        const FileSystem *f = file_system_find(p->fstype);
        if (!f || f->is_for_boot)
                return error_set(e, EOPNOTSUPP, "'%s': %s", path,
                                 streq(p->fstype, "crypto_LUKS")
                                         ? "its root is encrypted"
                                         : "its root is no file system that we mount");
        const LoopRange range = { .offset = p->offset,
                                  .size = p->number == 0 ? 0 : p->size,
                                  .sector_size = d.sector_size,
                                  .read_only = true };
        device = loop_attach(image, &range, e);
        r = device < 0 ? device : mount_detached(f, device, e);
        return r < 0 ? error_wrap(e, r, "'%s'", path) : r;
}
