/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clones images: builds the copy under a temporary name that it holds the lock of, writes it to disk and
 * renames it. How trees and files are copied is copy.c's. */
#include "image/clone.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/name.h"
#include "base/path.h"
#include "image/companion.h"
#include "image/copy.h"
#include "image/fresh-image.h"
#include "image/fresh.h"
#include "image/layer.h"
#include "image/lock.h"
#include "image/mstack.h"
#include "image/pool.h"
#include "image/root-hash.h"
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
        ImageFlags flags;
        Transaction transaction; /* gives all of it their names */
} Clone;

/* What was copied beside the image has temporary names until it is committed. */
static void remove_companions(const Transaction *t) {
        for (size_t i = 0; i < t->n; i++)
                if (temporary_name_is_own(path_last(t->steps[i].from)))
                        (void) path_remove_tree(AT_FDCWD, t->steps[i].from);
}

static void clone_done(Clone *c) {
        if (c->temporary)
                (void) tree_remove(c->pool_fd, c->temporary);
        remove_companions(&c->transaction);
        transaction_done(&c->transaction);
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
                r = subvolume_snapshot_all(from_fd, dir_fd, name, read_only);
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

/* Disks and stacks have to be mounted for that. */
static int make_fresh(const Clone *c, const char *new_name, ImageType type, Error *e) {
        const char *hostname = hostname_is_valid(new_name) ? new_name : NULL;

        if (!(c->flags & IMAGE_CLONE_FRESH))
                return 0;
        if (type != IMAGE_RAW && type != IMAGE_MSTACK)
                return fresh_tree(c->tree_fd, hostname, e);
        _cleanup_free_ char *path = path_join(c->pool, c->temporary);
        return path ? fresh_image(path, type, hostname, e) : error_oom(e);
}

/* What its links lead to may not be seen from here. */
static int check_stack(const Clone *c, Error *e) {
        _cleanup_(mstack_done) Mstack m = {};
        int r = mstack_read(c->tree_fd, &m, e);

        return r < 0 ? error_wrap(e, r, "the copy of '%s'", c->image->path) : 0;
}

static int clone_directory(Clone *c, const char *new_name, Error *e) {
        _cleanup_fd_ int from = open(c->image->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool fresh = c->flags & IMAGE_CLONE_FRESH, read_only = c->flags & IMAGE_CLONE_READ_ONLY;
        int r = 0;

        if (from < 0)
                return error_set(e, errno, "cannot open '%s': %m", c->image->path);
        c->tree_fd = clone_tree(from, c->pool_fd, c->temporary, read_only && !fresh, e);
        if (c->tree_fd < 0)
                return error_wrap(e, c->tree_fd, "copying '%s'", c->image->path);
        if (c->image->type == IMAGE_MSTACK)
                r = check_stack(c, e);
        if (r >= 0)
                r = make_fresh(c, new_name, c->image->type, e);
        if (r >= 0 && fresh && read_only && subvolume_is(c->tree_fd)) {
                r = subvolume_set_read_only(c->tree_fd, true);
                if (r < 0)
                        (void) error_set(e, r, "cannot make the copy read-only: %m");
        }
        return r;
}

static int clone_layer(Clone *c, const char *new_name, Error *e) {
        c->tree_fd = layer_make(c->image, c->pool_fd, c->temporary, e);
        return c->tree_fd < 0 ? c->tree_fd : make_fresh(c, new_name, IMAGE_MSTACK, e);
}

/* Root hashes may be with the file rather than beside it; without them the copy would be less than the original. */
static int copy_hashes(int from, int to) {
        static const char *const names[] = { "user.verity.roothash", "user.verity.usrhash" };
        char value[ROOT_HASH_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                ssize_t n = fgetxattr(from, names[i], value, sizeof(value));
                if (n < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
                        continue;
                if (n < 0 || fsetxattr(to, names[i], value, (size_t) n, 0) < 0)
                        return -errno;
        }
        return 0;
}

static int clone_disk(Clone *c, const char *new_name, Error *e) {
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
        if (r >= 0)
                r = copy_hashes(from, to);
        if (r < 0)
                return error_set(e, r, "cannot copy '%s': %m", c->image->path);
        r = make_fresh(c, new_name, IMAGE_RAW, e);
        if (r < 0)
                return r;
        return fchmod(to, c->flags & IMAGE_CLONE_READ_ONLY ? 0444 : 0644) < 0 || fsync(to) < 0
                       ? error_set(e, errno, "cannot write '%s/%s': %m", c->pool, c->temporary)
                       : 0;
}

/* Gives the copy a name that is no image's, and which is not taken for something unfinished by who clears such
 * things away. */
static int hold_ready(Clone *c, Error *e) {
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return error_set(e, errno, "there are no random numbers: %m");
        _cleanup_free_ char *ready = str_format(TRANSACTION_HOLD "%016jx", (uintmax_t) random);
        if (!ready)
                return error_oom(e);
        if (syncfs(c->pool_fd) < 0)
                return error_set(e, errno, "cannot write '%s' to disk: %m", c->pool);
        if (renameat2(c->pool_fd, c->temporary, c->pool_fd, ready, RENAME_NOREPLACE) < 0)
                return error_set(e, errno, "cannot rename '%s/%s': %m", c->pool, c->temporary);
        free(c->temporary);
        c->temporary = TAKE_PTR(ready);
        return 0;
}

/* What describes the content lies beside that, which may be elsewhere than the name: a version, or behind a link.
 * Return: 0 with the path of the image without ".raw" and the like; -ENOMEM. */
static int content_place(const Image *i, char **ret_directory, char **ret_name) {
        const char *last = path_last(i->path), *suffix = image_kind_suffix(i);
        size_t n = strlen(last) - (str_has_suffix(last, suffix) ? strlen(suffix) : 0);

        *ret_directory = strndup(i->path, (size_t) (last - i->path));
        *ret_name = strndup(last, n);
        return *ret_directory && *ret_name ? 0 : -ENOMEM;
}

static int copy_companions(Clone *c, const char *new_name, Error *e) {
        _cleanup_free_ char *directory = NULL, *name = NULL;
        const Image *i = c->image;
        int r = companions_copy(i->directory, i->name, c->pool, new_name, 1U << COMPANION_SETTINGS,
                                &c->transaction, e);

        /* A layer on the original has other content. */
        if (r < 0 || c->flags & IMAGE_CLONE_LAYER)
                return r;
        if (content_place(i, &directory, &name) < 0)
                return error_oom(e);
        return companions_copy(directory, name, c->pool, new_name, 1U << COMPANION_CONTENT,
                               &c->transaction, e);
}

/* A directory that cannot be marked read-only is no failure of the copy, which is there. */
static int commit(Clone *c, const char *new_name, const char *entry, Error *e) {
        _cleanup_free_ char *from = NULL, *to = path_join(c->pool, entry);
        int r = hold_ready(c, e);

        if (r >= 0 && c->image->directory)
                r = copy_companions(c, new_name, e);
        if (r < 0)
                return r;
        from = path_join(c->pool, c->temporary);
        if (!from || !to)
                return error_oom(e);
        r = transaction_move(&c->transaction, from, to, e);
        if (r < 0)
                return r;
        if ((c->flags & IMAGE_CLONE_READ_ONLY) && c->tree_fd >= 0 && !subvolume_is(c->tree_fd))
                c->transaction.steps[c->transaction.n - 1].is_immutable = true;
        r = transaction_commit(&c->transaction, c->pool, e);
        if (r >= 0) {
                free(c->temporary);
                c->temporary = NULL;
        }
        return r;
}

/* Hashes of every byte would not be those of a copy that was changed. */
static int check_unprotected(const Image *i, Error *e) {
        static const char *const suffixes[] = { ".verity", ".roothash" };
        _cleanup_free_ char *directory = NULL, *name = NULL;

        if (content_place(i, &directory, &name) < 0)
                return error_oom(e);
        for (size_t k = 0; k < ELEMENTSOF(suffixes); k++) {
                _cleanup_free_ char *path = str_format("%s%s%s", directory, name, suffixes[k]);
                struct stat st;

                if (!path)
                        return error_oom(e);
                if (lstat(path, &st) >= 0)
                        return error_set(e, EROFS,
                                         "'%s' is protected by '%s', so a copy cannot be changed",
                                         i->path, path);
        }
        return getxattr(i->path, "user.verity.roothash", NULL, 0) >= 0
                       ? error_set(e, EROFS,
                                   "'%s' is protected by the root hash that it has with it",
                                   i->path)
                       : 0;
}

static int check(const Image *i, ImageFlags flags, Error *e) {
        bool is_disk = i->type == IMAGE_RAW || i->type == IMAGE_BLOCK;

        if ((flags & IMAGE_CLONE_LAYER) && (flags & IMAGE_CLONE_READ_ONLY))
                return error_set(e, EINVAL, "a layer that cannot be written to is of no use");
        return is_disk && (flags & IMAGE_CLONE_FRESH) && !(flags & IMAGE_CLONE_LAYER)
                       ? check_unprotected(i, e)
                       : 0;
}

/* Opens the pool, in which nobody sweeps from now on. */
static int open_pool(Clone *c, Error *e) {
        int r = pool_path(&c->pool, e);

        if (r < 0)
                return r;
        c->pool_fd = pool_open(e);
        if (c->pool_fd < 0)
                return c->pool_fd;
        return flock(c->pool_fd, LOCK_SH) < 0 ? error_set(e, errno, "cannot lock '%s': %m", c->pool)
                                              : 0;
}

int image_clone(const Image *i, const char *new_name, ImageFlags flags, Error *e) {
        _cleanup_(clone_done)
                Clone c = { .image = i, .pool_fd = -EBADF, .tree_fd = -EBADF, .flags = flags };
        _cleanup_image_lock_ ImageLock *name_lock = NULL;
        bool is_disk = i->type == IMAGE_RAW || i->type == IMAGE_BLOCK;
        int r = check(i, flags, e);

        if (r >= 0)
                r = image_reserve_name(new_name, &name_lock, e);
        if (r >= 0)
                r = open_pool(&c, e);
        if (r < 0)
                return r;
        r = temporary_name(new_name, &c.temporary);
        if (r < 0)
                return error_set(e, r, "cannot make a temporary name: %m");

        r = flags & IMAGE_CLONE_LAYER ? clone_layer(&c, new_name, e)
            : is_disk                 ? clone_disk(&c, new_name, e)
                                      : clone_directory(&c, new_name, e);
        if (r < 0)
                return r;
        _cleanup_free_ char *entry = str_format("%s%s", new_name,
                                                flags & IMAGE_CLONE_LAYER ? MSTACK_SUFFIX
                                                                          : image_kind_suffix(i));
        return entry ? commit(&c, new_name, entry, e) : error_oom(e);
}
