/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary trees in a pool, see staging.h. Knows nothing of archives. */
#include "importer/staging.h"

#include <limits.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "image/lock.h"
#include "image/subvolume.h"
#include "image/temporary.h"

/* A subvolume has a mark of its own for it; of a directory it is the top that is made immutable. */
static int set_read_only(int fd, bool on) {
        int flags;

        if (subvolume_is(fd))
                return subvolume_set_read_only(fd, on);
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return errno == ENOTTY ? -EOPNOTSUPP : -errno;
        flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

/* Whether @name in @pool_fd is still what @fd is open on. */
static bool is_same(int pool_fd, const char *name, int fd) {
        struct stat a, b;

        return fstat(fd, &a) >= 0 && fstatat(pool_fd, name, &b, AT_SYMLINK_NOFOLLOW) >= 0 &&
               a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Opens and locks a temporary tree. Return: an fd; -EBUSY = somebody holds it; -ENOENT = it went while
 * we looked; -errno. */
static int lock_temp(int pool_fd, const char *name) {
        _cleanup_fd_ int fd = openat(pool_fd, name,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return is_same(pool_fd, name, fd) ? TAKE_FD(fd) : -ENOENT;
}

static int refuse_taken(int pool_fd, const char *name, Error *e) {
        _cleanup_free_ char *raw = str_format("%s.raw", name);
        const char *const names[] = { name, raw };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (!names[i])
                        return error_oom(e);
                if (faccessat(pool_fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        return error_set(e, EEXIST, "an image '%s' exists already", name);
                if (errno != ENOENT)
                        return error_set(e, errno, "cannot look for an image '%s': %m", name);
        }
        return 0;
}

/* What the pool's own mode and ACLs would hand down to everything in the tree. */
static int cut_inheritance(int fd, Error *e) {
        if (fremovexattr(fd, "system.posix_acl_default") < 0 && errno != ENODATA &&
            errno != EOPNOTSUPP)
                return error_set(e, errno, "cannot remove the ACL of a temporary directory: %m");
        if (fchown(fd, geteuid(), getegid()) < 0 || fchmod(fd, 0700) < 0)
                return error_set(e, errno, "cannot set the mode of a temporary directory: %m");
        return 0;
}

static int make_temp(Staging *s, Error *e) {
        for (;;) {
                _cleanup_free_ char *temp = NULL;
                int r = temporary_name(s->name, &temp);
                if (r < 0)
                        return error_set(e, r, "cannot make a temporary name: %m");
                /* A subvolume where there are some, so that clones of the image cost nothing. */
                if (subvolume_create(s->pool_fd, temp) < 0 && mkdirat(s->pool_fd, temp, 0700) < 0)
                        return error_set(e, errno,
                                         "cannot make a temporary directory in the pool: %m");

                /* Between the two calls a sweep may have taken it for a stale one. */
                int fd = lock_temp(s->pool_fd, temp);
                if (fd == -ENOENT || fd == -EBUSY)
                        continue;
                s->temp = TAKE_PTR(temp);
                if (fd < 0)
                        return error_set(e, fd, "cannot lock a temporary directory: %m");
                s->fd = fd;
                return cut_inheritance(fd, e);
        }
}

int staging_begin(int pool_fd, const char *name, const StagingOptions *options, Staging *ret,
                  Error *e) {
        _cleanup_(staging_done) Staging s = { .pool_fd = pool_fd, .fd = -EBADF };
        int r;

        if (!options->force) {
                r = refuse_taken(pool_fd, name, e);
                if (r < 0)
                        return r;
        }

        s.name = strdup(name);
        if (!s.name)
                return error_oom(e);
        r = make_temp(&s, e);
        if (r < 0)
                return r;

        /* Found out now rather than after the work. */
        if (options->read_only) {
                r = set_read_only(s.fd, true);
                if (r >= 0)
                        r = set_read_only(s.fd, false);
                if (r < 0)
                        return error_set(e, r,
                                         "this file system cannot make an image read-only: %m");
        }

        *ret = s;
        s = (Staging){ .fd = -EBADF };
        return 0;
}

/* Puts the tree in place of what is there, which then has the temporary name. */
static int exchange(Staging *s, Error *e) {
        _cleanup_fd_ int old = openat(s->pool_fd, s->name,
                                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (old >= 0)
                (void) set_read_only(old, false);
        if (renameat2(s->pool_fd, s->temp, s->pool_fd, s->name, RENAME_EXCHANGE) < 0)
                return error_set(e, errno, "cannot replace image '%s': %m", s->name);
        return 0;
}

/* Removes what the image replaced: failing to is no reason to say that the import failed. */
static void remove_replaced(Staging *s, bool exchanged) {
        _cleanup_free_ char *raw = str_format("%s.raw", s->name);

        if (exchanged)
                (void) tree_remove(s->pool_fd, s->temp);
        if (raw)
                (void) tree_remove(s->pool_fd, raw);
}

int staging_commit(Staging *s, const StagingOptions *options, Error *e) {
        bool exchanged = false;
        int r;

        if (renameat2(s->pool_fd, s->temp, s->pool_fd, s->name, RENAME_NOREPLACE) < 0) {
                if (errno != EEXIST)
                        return error_set(e, errno, "cannot name the new image '%s': %m", s->name);
                if (!options->force)
                        return error_set(e, EEXIST, "an image '%s' exists already", s->name);
                r = exchange(s, e);
                if (r < 0)
                        return r;
                exchanged = true;
        }

        if (options->force)
                remove_replaced(s, exchanged);
        free(s->temp);
        s->temp = NULL;

        /* Not earlier: what is immutable cannot be renamed. */
        if (options->read_only) {
                r = set_read_only(s->fd, true);
                if (r < 0)
                        return error_set(e, r, "cannot make image '%s' read-only: %m", s->name);
        }
        if (options->sync && fsync(s->pool_fd) < 0)
                return error_set(e, errno, "cannot sync the pool: %m");
        return 0;
}

void staging_done(Staging *s) {
        if (s->temp)
                (void) tree_remove(s->pool_fd, s->temp);
        free(s->temp);
        free(s->name);
        (void) fd_close(s->fd);
        *s = (Staging){ .fd = -EBADF };
}
