/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of the image that the host has a say in, see guest-file.h. What is to be in them is said in rooms
 * of their own. Every machine comes through here: what is opened is not closed one by one, but with all else
 * when the payload is executed or the builder ends. */
#include "spawn/guest-file.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/mount.h"

int host_file_read(const char *path, int flags, HostFile *ret, Error *e) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);

        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        ssize_t n = pread(fd, ret->data, sizeof ret->data, 0);
        if (n < 0)
                return error_set(e, errno, "cannot read '%s': %m", path);
        if (n == sizeof ret->data)
                return error_set(e, EFBIG, "'%s' is too big", path);
        ret->n = (size_t) n;
        return 0;
}

static int fail(const GuestFile *f, int r, const char *what, Error *e) {
        return error_set(e, r, "cannot %s '%s' of the image: %m", what, f->path);
}

/* Files are made as root inside. */
static int become_owner(const GuestFile *f) {
        return f->run->uid_base == 0 ? 0 : mount_act_as(f->run->uid_base);
}

static void become_self(const GuestFile *f) {
        if (f->run->uid_base != 0)
                (void) mount_act_as(0);
}

static bool holds(const GuestFile *f, const struct stat *st, const HostFile *content) {
        _cleanup_free_ char *there = NULL;

        if (st->st_size != (off_t) content->n)
                return false;
        int fd = path_open_beneath(f->dir_fd, path_last(f->path), O_RDONLY | O_NOCTTY | O_NONBLOCK,
                                   0);
        there = fd < 0 ? NULL : malloc(content->n + 1);
        return there && pread(fd, there, content->n, 0) == (ssize_t) content->n &&
               memcmp(there, content->data, content->n) == 0;
}

static int make(const GuestFile *f, const char *name, const HostFile *content) {
        int fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        0644);

        return fd < 0 ? -errno : fd_write_all(fd, content->data, content->n);
}

/* Puts a file, or a link, in the place of what is there. The name it has meanwhile is always the same: what
 * a start that was killed left of it goes with the next one. */
static int replace_by(const GuestFile *f, const HostFile *content, const char *target) {
        const char *name = path_last(f->path);
        char temporary[64];
        int r = 0;

        assert_se(content || target);
        (void) snprintf(temporary, sizeof temporary, ".#%s", name);
        (void) unlinkat(f->dir_fd, temporary, 0);
        if (content)
                r = make(f, temporary, content);
        else if (target && symlinkat(target, f->dir_fd, temporary) < 0)
                r = -errno;
        if (r >= 0 && renameat(f->dir_fd, temporary, f->dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(f->dir_fd, temporary, 0);
        return r;
}

int guest_file_write(const GuestFile *f, const HostFile *content, bool replace, Error *e) {
        const char *name = path_last(f->path);
        struct stat st;
        int r;

        /* Looked at before it is opened: opening a device can already do something. */
        bool exists = fstatat(f->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0;
        if (exists && S_ISREG(st.st_mode) && holds(f, &st, content))
                return 0;
        if (exists && !S_ISREG(st.st_mode) && !replace)
                return fail(f, S_ISLNK(st.st_mode) ? -ELOOP : -EEXIST, "write to", e);
        r = become_owner(f);
        if (r >= 0)
                r = exists ? replace_by(f, content, NULL) : make(f, name, content);
        become_self(f);
        return r < 0 ? fail(f, r, "write", e) : 0;
}

int guest_file_link(const GuestFile *f, const char *target, Error *e) {
        int r = become_owner(f);

        if (r >= 0)
                r = replace_by(f, NULL, target);
        become_self(f);
        return r < 0 ? fail(f, r, "link", e) : 0;
}

int guest_file_remove(const GuestFile *f, Error *e) {
        if (unlinkat(f->dir_fd, path_last(f->path), 0) < 0 && errno != ENOENT)
                return fail(f, -errno, "remove", e);
        return 0;
}

/* What the name leads to inside. A link that leads nowhere gets what it lacks, if the folder is there. */
static int open_target(const GuestFile *f) {
        int fd = path_open_in_root(f->run->root_fd, f->path, O_PATH, 0);

        if (fd != -ENOENT)
                return fd;
        int r = become_owner(f);
        if (r >= 0)
                fd = path_open_in_root(f->run->root_fd, f->path,
                                       O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0644);
        become_self(f);
        return r < 0 ? r : fd;
}

int guest_file_bind(const GuestFile *f, const char *source, Error *e) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                               MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                                   .propagation = MS_PRIVATE };
        struct stat st;

        _cleanup_fd_ int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0 || fstat(tree, &st) < 0)
                return error_set(e, errno, "cannot open '%s' to bind it: %m", source);
        if (!S_ISREG(st.st_mode))
                return error_set(e, EINVAL, "'%s' is not a regular file", source);
        if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot make a read-only view of '%s': %m", source);
        _cleanup_fd_ int target = open_target(f);
        if (target < 0)
                return fail(f, target, "open", e);
        int r = mount_attach(tree, target);
        return r < 0 ? fail(f, r, "mount over", e) : 0;
}
