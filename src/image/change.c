/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes images as they lie on disk. All of it happens under the image's exclusive lock, relative to
 * a descriptor of the directory that holds the entry. */
#include "image/change.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/path.h"
#include "image/companion.h"
#include "image/pool.h"
#include "image/subvolume.h"
#include "image/temporary.h"

/* How long to wait for a lock that somebody is about to let go of. */
#define PATIENCE_USEC (UINT64_C(400) * 1000)

static int check_changeable(const Image *i, Error *e) {
        if (image_is_host(i))
                return error_set(e, EROFS, "'%s' is the running system", i->name);
        if (image_is_vendor(i) || (i->directory && path_is_below(i->directory, "/usr")))
                return error_set(e, EROFS, "image '%s' belongs to the installed system ('%s')",
                                 i->name, i->path);
        if (!i->directory || !i->entry)
                return error_set(e, EOPNOTSUPP, "'%s' is not an entry of the pool", i->path);
        return 0;
}

/* Who has just heard that a machine is gone may be faster than the process that looked after it. */
static int lock_exclusive(const Image *i, ImageLock **ret, Error *e) {
        uint64_t until = now_usec() + PATIENCE_USEC;
        int r;

        while ((r = image_lock(i->path, true, ret, e)) == IMAGE_LOCK_BUSY && now_usec() < until)
                (void) usleep(PATIENCE_USEC / 20);
        return r == IMAGE_LOCK_BUSY ? error_set(e, EBUSY, "image '%s' is in use", i->name) : r;
}

/* Opens the directory of the entry. Return: a descriptor or -errno. */
static int open_directory(const Image *i, Error *e) {
        int fd = open(i->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? error_set(e, errno, "cannot open '%s': %m", i->directory) : fd;
}

/* Checks, locks and opens: how every change begins. Return: descriptor of the directory or -errno. */
static int begin(const Image *i, ImageLock **ret_lock, Error *e) {
        int r = check_changeable(i, e);

        if (r >= 0)
                r = lock_exclusive(i, ret_lock, e);
        return r < 0 ? r : open_directory(i, e);
}

static int set_immutable(int dir_fd, const char *entry, bool on) {
        _cleanup_fd_ int fd = openat(dir_fd, entry,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int flags;

        if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return -errno;
        int changed = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        return changed != flags && ioctl(fd, FS_IOC_SETFLAGS, &changed) < 0 ? -errno : 0;
}

/* Whether the top directory has the immutable flag; without it there can be no rename. */
static bool is_immutable(int dir_fd, const char *entry) {
        _cleanup_fd_ int fd = openat(dir_fd, entry,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int flags;

        return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) >= 0 && (flags & FS_IMMUTABLE_FL);
}

static int rename_entry(int dir_fd, const char *from, const char *to) {
        return renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* Takes the tree out of sight, then apart. */
static int remove_tree(const Image *i, int dir_fd, Error *e) {
        _cleanup_free_ char *temporary = NULL;
        int r;

        r = temporary_name(i->name, &temporary);
        if (r < 0)
                return error_set(e, r, "cannot make a temporary name: %m");

        if (is_immutable(dir_fd, i->entry)) {
                r = set_immutable(dir_fd, i->entry, false);
                if (r < 0)
                        return error_set(e, r, "cannot make '%s' writable: %m", i->path);
        }

        r = rename_entry(dir_fd, i->entry, temporary);
        if (r < 0)
                return error_set(e, r, "cannot remove '%s': %m", i->path);
        companions_remove(dir_fd, i->name);

        r = tree_remove(dir_fd, temporary);
        return r < 0 ? error_set(e, r, "cannot remove all of image '%s', the rest is '%s/%s': %m",
                                 i->name, i->directory, temporary)
                     : 0;
}

int image_remove(const Image *i, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;
        _cleanup_fd_ int dir_fd = begin(i, &lock, e);

        if (dir_fd < 0)
                return dir_fd;
        if (i->type == IMAGE_BLOCK && !i->is_link)
                return error_set(e, EOPNOTSUPP, "'%s' is a device, which cannot be removed",
                                 i->path);
        if (!i->is_link &&
            (i->type == IMAGE_DIRECTORY || i->type == IMAGE_SUBVOLUME || i->type == IMAGE_MSTACK))
                return remove_tree(i, dir_fd, e);

        if (unlinkat(dir_fd, i->entry, 0) < 0)
                return error_set(e, errno, "cannot remove '%s/%s': %m", i->directory, i->entry);
        companions_remove(dir_fd, i->name);
        return 0;
}

int image_reserve_name(const char *name, ImageLock **ret, Error *e) {
        _cleanup_image_ Image *other = NULL;
        int r;

        r = image_lock_name(name, ret, e);
        if (r == IMAGE_LOCK_BUSY)
                return error_set(e, EBUSY, "the name '%s' is in use", name);
        if (r < 0)
                return r;

        r = pool_find(name, &other, e);
        return r > 0 ? error_set(e, EEXIST, "there is an image '%s' already", name) : r;
}

int image_rename(const Image *i, const char *new_name, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL, *name_lock = NULL;
        _cleanup_fd_ int dir_fd = -EBADF;
        int r;

        if (!image_name_is_valid(new_name))
                return error_set(e, EINVAL, "image name '%s' is not valid", new_name);
        dir_fd = begin(i, &lock, e);
        if (dir_fd < 0)
                return dir_fd;
        r = image_reserve_name(new_name, &name_lock, e);
        if (r < 0)
                return r;

        _cleanup_free_ char *entry = str_format("%s%s", new_name, image_suffix(i));
        if (!entry)
                return error_oom(e);

        bool immutable = !i->is_link && is_immutable(dir_fd, i->entry);
        if (immutable)
                (void) set_immutable(dir_fd, i->entry, false);
        r = rename_entry(dir_fd, i->entry, entry);
        if (immutable)
                (void) set_immutable(dir_fd, r < 0 ? i->entry : entry, true);
        if (r < 0)
                return error_set(e, r, "cannot rename '%s/%s' to '%s': %m", i->directory, i->entry,
                                 entry);

        companions_rename(dir_fd, i->name, new_name);
        return 0;
}

static int set_disk_read_only(const Image *i, bool read_only) {
        struct stat st;

        if (stat(i->path, &st) < 0)
                return -errno;
        mode_t mode = read_only ? st.st_mode & 0555 : (st.st_mode & 0444) | 0200;
        return chmod(i->path, mode) < 0 ? -errno : 0;
}

static int set_device_read_only(const Image *i, bool read_only) {
        _cleanup_fd_ int fd = open(i->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        int on = read_only;

        if (fd < 0 || ioctl(fd, BLKROSET, &on) < 0)
                return -errno;
        return 0;
}

static int set_subvolume_read_only(const Image *i, bool read_only) {
        _cleanup_fd_ int fd = open(i->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : subvolume_set_read_only(fd, read_only);
}

int image_set_read_only(const Image *i, bool read_only, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;
        _cleanup_fd_ int dir_fd = begin(i, &lock, e);
        int r = 0;

        if (dir_fd < 0)
                return dir_fd;
        if (image_is_hidden(i))
                return error_set(e, EROFS, "image '%s' is hidden, and so always read-only",
                                 i->name);

        switch (i->type) {
        case IMAGE_DIRECTORY:
        case IMAGE_MSTACK:
                r = set_immutable(AT_FDCWD, i->path, read_only);
                if (r == -ENOTTY)
                        r = -EOPNOTSUPP;
                break;
        case IMAGE_SUBVOLUME:
                r = set_subvolume_read_only(i, read_only);
                break;
        case IMAGE_RAW:
                r = set_disk_read_only(i, read_only);
                break;
        case IMAGE_BLOCK:
                r = set_device_read_only(i, read_only);
                break;
        default:
                r = -EOPNOTSUPP;
        }
        return r < 0 ? error_set(e, r, "cannot make '%s' %s: %m", i->path,
                                 read_only ? "read-only" : "writable")
                     : 0;
}
