/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary trees and disks in a pool, see staging.h. Knows nothing of archives. */
#include "importer/staging.h"

#include <limits.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/lock.h"
#include "image/subvolume.h"
#include "image/temporary.h"

/* A subvolume has a mark of its own for it; of a directory it is the top that is made immutable. */
static int set_tree_read_only(int fd, bool on) {
        int flags;

        if (subvolume_is(fd))
                return subvolume_set_read_only(fd, on);
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return errno == ENOTTY ? -EOPNOTSUPP : -errno;
        flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

/* Of a disk it is the mode. */
static int set_disk_read_only(int fd) {
        struct stat st;

        return fstat(fd, &st) < 0 || fchmod(fd, st.st_mode & 0555) < 0 ? -errno : 0;
}

/* Whether @name in @pool_fd is still what @fd is open on. Return: 0; -ENOENT = it is not; -errno. */
static int check_same(int pool_fd, const char *name, int fd) {
        struct stat a, b;

        if (fstat(fd, &a) < 0 || fstatat(pool_fd, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return a.st_dev == b.st_dev && a.st_ino == b.st_ino ? 0 : -ENOENT;
}

/* Opens and locks a temporary tree or disk. Return: an fd; -EBUSY = somebody holds it; -ENOENT = it went while
 * we looked; -errno. */
static int lock_temp(int pool_fd, const char *name, bool is_disk) {
        _cleanup_fd_ int fd = openat(pool_fd, name,
                                     O_NOFOLLOW | O_CLOEXEC |
                                             (is_disk ? O_RDWR : O_RDONLY | O_DIRECTORY));

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        int r = check_same(pool_fd, name, fd);
        return r < 0 ? r : TAKE_FD(fd);
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

static int make_object(int pool_fd, const char *temp, bool is_disk) {
        if (is_disk)
                return file_write(pool_fd, temp, "", O_CREAT | O_EXCL, 0600);
        /* A subvolume where there are some, so that clones of the image cost nothing. */
        return subvolume_create(pool_fd, temp) < 0 && mkdirat(pool_fd, temp, 0700) < 0 ? -errno : 0;
}

static int make_temp(Staging *s, bool is_disk, Error *e) {
        for (;;) {
                _cleanup_free_ char *temp = NULL;
                int r = temporary_name(s->name, &temp);
                if (r < 0)
                        return error_set(e, r, "cannot make a temporary name: %m");
                r = make_object(s->pool_fd, temp, is_disk);
                if (r < 0)
                        return error_set(e, r, "cannot make a temporary %s in the pool: %m",
                                         is_disk ? "file" : "directory");

                /* Between the two calls a sweep may have taken it for a stale one. */
                int fd = lock_temp(s->pool_fd, temp, is_disk);
                if (fd == -ENOENT || fd == -EBUSY)
                        continue;
                s->temp = TAKE_PTR(temp);
                if (fd < 0)
                        return error_set(e, fd, "cannot lock what is temporary in the pool: %m");
                s->fd = fd;
                return is_disk ? 0 : cut_inheritance(fd, e);
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
        r = make_temp(&s, options->is_disk, e);
        if (r < 0)
                return r;

        /* Found out now rather than after the work. */
        if (options->read_only && !options->is_disk) {
                r = set_tree_read_only(s.fd, true);
                if (r >= 0)
                        r = set_tree_read_only(s.fd, false);
                s.stays_writable = r < 0 && options->or_not;
                if (r < 0 && !options->or_not)
                        return error_set(e, r,
                                         "this file system cannot make an image read-only: %m");
        }

        *ret = s;
        s = (Staging){ .fd = -EBADF };
        return 0;
}

/* Opens what has the name of an image and may be marked as one that does not change. Return: an fd; -errno. */
static int open_entry(int pool_fd, const char *entry) {
        int fd = openat(pool_fd, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* Puts what is new in place of what is there, which then has the temporary name. */
static int exchange(Staging *s, const char *entry, Error *e) {
        _cleanup_fd_ int old = open_entry(s->pool_fd, entry);
        int r;

        if (old >= 0)
                (void) set_tree_read_only(old, false);
        r = renameat2(s->pool_fd, s->temp, s->pool_fd, entry, RENAME_EXCHANGE) < 0 ? -errno : 0;
        return r < 0 ? error_set(e, r, "cannot replace image '%s': %m", s->name) : 0;
}

/* Return: 1 something else had the name and is temporary now; 0; -errno. */
static int give_name(Staging *s, const char *entry, bool force, Error *e) {
        if (renameat2(s->pool_fd, s->temp, s->pool_fd, entry, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EEXIST)
                return error_set(e, errno, "cannot name the new image '%s': %m", s->name);
        if (!force)
                return error_set(e, EEXIST, "an image '%s' exists already", s->name);
        int r = exchange(s, entry, e);
        return r < 0 ? r : 1;
}

/* What failed after all is not seen again, and what it replaced is. */
static void take_name(Staging *s, const char *entry, bool exchanged) {
        (void) set_tree_read_only(s->fd, false);
        (void) renameat2(s->pool_fd, entry, s->pool_fd, s->temp,
                         exchanged ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}

/* Removes what the image replaced: failing to is no reason to say that the import failed. */
static void remove_replaced(Staging *s, bool is_disk, bool exchanged) {
        _cleanup_free_ char *other = str_format("%s%s", s->name, is_disk ? "" : ".raw");

        if (exchanged)
                (void) tree_remove(s->pool_fd, s->temp);
        if (other) {
                _cleanup_fd_ int fd = open_entry(s->pool_fd, other);

                if (fd >= 0)
                        (void) set_tree_read_only(fd, false);
                (void) tree_remove(s->pool_fd, other);
        }
}

void staging_take(Staging *s, char *temp, int fd, const char *suffix) {
        (void) tree_remove(s->pool_fd, s->temp);
        free(s->temp);
        (void) fd_close(s->fd);
        s->temp = temp;
        s->fd = fd;
        s->suffix = suffix;
}

const char *staging_suffix(const Staging *s, const StagingOptions *options) {
        return s->suffix ? s->suffix : options->is_disk ? ".raw" : "";
}

int staging_make_read_only(Staging *s, const StagingOptions *options, bool *ret_late, Error *e) {
        bool late = options->read_only && !options->is_disk && !subvolume_is(s->fd);
        int r = !options->read_only || late ? 0
                : options->is_disk          ? set_disk_read_only(s->fd)
                                            : set_tree_read_only(s->fd, true);

        if (r < 0)
                return error_set(e, r, "cannot make image '%s' read-only: %m", s->name);
        *ret_late = late;
        return 0;
}

int staging_commit(Staging *s, const StagingOptions *options, Error *e) {
        _cleanup_free_ char *entry = str_format("%s%s", s->name, staging_suffix(s, options));
        int r = 0, exchanged;

        if (!entry)
                return error_oom(e);
        if (options->read_only && options->is_disk)
                r = set_disk_read_only(s->fd);
        exchanged = r < 0 ? error_set(e, r, "cannot make image '%s' read-only: %m", s->name)
                          : give_name(s, entry, options->force, e);
        if (exchanged < 0)
                return exchanged;

        /* Not earlier: what is immutable cannot be renamed. */
        if (options->read_only && !options->is_disk && !s->stays_writable)
                r = set_tree_read_only(s->fd, true);
        if (r < 0)
                (void) error_set(e, r, "cannot make image '%s' read-only: %m", s->name);
        else if (options->sync && fsync(s->pool_fd) < 0)
                r = error_set(e, errno, "cannot sync the pool: %m");
        if (r < 0) {
                take_name(s, entry, exchanged);
                return r;
        }

        if (options->force)
                remove_replaced(s, options->is_disk, exchanged);
        free(s->temp);
        s->temp = NULL;
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
