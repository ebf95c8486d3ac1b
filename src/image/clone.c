/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clones images: builds the copy under a temporary name that it holds the lock of, writes it to disk and
 * renames it. How trees and files are copied is copy.c's. */
#include "image/clone.h"

#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/path.h"
#include "image/change.h"
#include "image/companion.h"
#include "image/copy.h"
#include "image/pool.h"
#include "image/subvolume.h"
#include "image/temporary.h"

/* A copy on its way: removed again unless it got its name. */
typedef struct Clone {
        const Image *image;
        int pool_fd;
        char *pool;
        char *temporary; /* name in the pool; NULL = nothing there, or not ours any more */
        ImageLock *lock; /* on the temporary, if it is a disk */
        int tree_fd;     /* the temporary if it is a tree, locked */
} Clone;

static void clone_done(Clone *c) {
        if (c->temporary)
                (void) tree_remove(c->pool_fd, c->temporary);
        (void) image_lock_free(c->lock);
        (void) fd_close(c->tree_fd);
        free(c->temporary);
        free(c->pool);
        c->pool_fd = fd_close(c->pool_fd);
}

/* Whoever sweeps the pool shall know that somebody works on this. */
static int hold(Clone *c, Error *e) {
        _cleanup_free_ char *path = path_join(c->pool, c->temporary);
        int r = path ? image_lock(path, true, &c->lock, e) : error_oom(e);

        return r == IMAGE_LOCK_BUSY ? error_set(e, EBUSY, "'%s' is in use", path) : r;
}

/* Opens a directory that was just made and locks it. Return: a descriptor or -errno. */
static int hold_directory(int dir_fd, const char *name, Error *e) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return error_set(e, errno, "cannot lock '%s': %m", name);
        return TAKE_FD(fd);
}

int clone_tree(int from_fd, int dir_fd, const char *name, bool read_only, Error *e) {
        int r;

        if (subvolume_is(from_fd)) {
                r = subvolume_snapshot(from_fd, dir_fd, name, read_only);
                if (r >= 0)
                        return hold_directory(dir_fd, name, e);
                if (r != -EXDEV && r != -ENOTTY && r != -EINVAL)
                        return error_set(e, r, "cannot make a snapshot: %m");
        }

        r = subvolume_create(dir_fd, name);
        if (r < 0 && mkdirat(dir_fd, name, 0700) < 0)
                return error_set(e, errno, "cannot make '%s': %m", name);
        _cleanup_fd_ int to = hold_directory(dir_fd, name, e);
        if (to < 0)
                return to;
        r = copy_tree(from_fd, to, e);
        if (r >= 0 && read_only && subvolume_is(to)) {
                r = subvolume_set_read_only(to, true);
                if (r < 0)
                        (void) error_set(e, r, "cannot make the copy read-only: %m");
        }
        return r < 0 ? r : TAKE_FD(to);
}

static int clone_directory(Clone *c, bool read_only, Error *e) {
        _cleanup_fd_ int from = open(c->image->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (from < 0)
                return error_set(e, errno, "cannot open '%s': %m", c->image->path);
        c->tree_fd = clone_tree(from, c->pool_fd, c->temporary, read_only, e);
        return c->tree_fd < 0 ? error_wrap(e, c->tree_fd, "copying '%s'", c->image->path) : 0;
}

static int clone_disk(Clone *c, bool read_only, Error *e) {
        _cleanup_fd_ int from = open(c->image->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        _cleanup_fd_ int to = -EBADF;
        int r;

        if (from < 0)
                return error_set(e, errno, "cannot open '%s': %m", c->image->path);
        to = openat(c->pool_fd, c->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (to < 0)
                return error_set(e, errno, "cannot make '%s/%s': %m", c->pool, c->temporary);
        r = hold(c, e);
        if (r < 0)
                return r;

        r = copy_file(from, to);
        if (r < 0)
                return error_set(e, r, "cannot copy '%s': %m", c->image->path);
        return fchmod(to, read_only ? 0444 : 0644) < 0 || fsync(to) < 0
                       ? error_set(e, errno, "cannot write '%s/%s': %m", c->pool, c->temporary)
                       : 0;
}

/* The immutable flag forbids the rename, so it comes last; a tree that cannot have it is no failure of
 * the copy, which is there. */
static int commit(Clone *c, const char *entry, bool read_only, Error *e) {
        int flags;

        if (syncfs(c->pool_fd) < 0)
                return error_set(e, errno, "cannot write '%s' to disk: %m", c->pool);
        if (renameat2(c->pool_fd, c->temporary, c->pool_fd, entry, RENAME_NOREPLACE) < 0)
                return error_set(e, errno, "cannot name the copy '%s/%s': %m", c->pool, entry);
        free(c->temporary);
        c->temporary = NULL;

        _cleanup_fd_ int fd = openat(c->pool_fd, entry,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (read_only && fd >= 0 && !subvolume_is(fd) && ioctl(fd, FS_IOC_GETFLAGS, &flags) >= 0) {
                flags |= FS_IMMUTABLE_FL;
                (void) ioctl(fd, FS_IOC_SETFLAGS, &flags);
        }
        return fsync(c->pool_fd) < 0 ? error_set(e, errno, "cannot write '%s' to disk: %m", c->pool)
                                     : 0;
}

int image_clone(const Image *i, const char *new_name, bool read_only, Error *e) {
        _cleanup_(clone_done) Clone c = { .image = i, .pool_fd = -EBADF, .tree_fd = -EBADF };
        _cleanup_image_lock_ ImageLock *name_lock = NULL;
        bool is_disk = i->type == IMAGE_RAW;
        int r;

        if (i->type == IMAGE_BLOCK)
                return error_set(e, EOPNOTSUPP, "'%s' is a device, which cannot be cloned",
                                 i->path);
        r = image_reserve_name(new_name, &name_lock, e);
        if (r < 0)
                return r;

        r = pool_path(&c.pool, e);
        if (r < 0)
                return r;
        c.pool_fd = pool_open(e);
        if (c.pool_fd < 0)
                return c.pool_fd;
        r = temporary_name(new_name, &c.temporary);
        if (r < 0)
                return error_set(e, r, "cannot make a temporary name: %m");

        r = is_disk ? clone_disk(&c, read_only, e) : clone_directory(&c, read_only, e);
        if (r < 0)
                return r;

        _cleanup_free_ char *entry = str_format("%s%s", new_name, image_kind_suffix(i));
        if (!entry)
                return error_oom(e);
        r = commit(&c, entry, read_only, e);
        if (r < 0)
                return r;

        _cleanup_fd_ int dir_fd = i->directory
                                          ? open(i->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                          : -EBADF;
        if (dir_fd >= 0)
                companions_copy(dir_fd, i->name, c.pool_fd, new_name);
        return 0;
}
