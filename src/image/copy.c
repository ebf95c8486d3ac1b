/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies a tree entry by entry, by descriptors on both sides, following no link. What cannot be copied
 * whole is an error: a clone that lacks a capability or an owner would be worse than none. */
#include "image/copy.h"

#include <linux/fs.h>
#include <search.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

#define XATTR_NAMES_MAX (64 * 1024)

/* A file with several names: where its first copy is. */
typedef struct Link {
        dev_t device;
        ino_t inode;
        char *path; /* below the target */
} Link;

typedef struct Copy {
        const CopyOptions *options;
        int to_root;
        dev_t device;
        void *links; /* tsearch() tree of Link */
        Buf path;    /* of the current entry, for messages and links */
} Copy;

static void link_free(void *p) {
        Link *l = p;

        free(l->path);
        free(l);
}

static int compare_links(const void *a, const void *b) {
        const Link *x = a, *y = b;

        if (x->device != y->device)
                return x->device < y->device ? -1 : 1;
        return (x->inode > y->inode) - (x->inode < y->inode);
}

static int fail(const Copy *c, int r, const char *what, Error *e) {
        return error_set(e, r, "cannot %s '%s': %m", what, c->path.n > 0 ? c->path.p : "/");
}

static bool is_zero(const char *p, size_t n) {
        return p[0] == '\0' && memcmp(p, p + 1, n - 1) == 0;
}

/* The bytes from @from to @end, by whatever way there is. */
static int copy_range(int from, int to, off_t start, off_t end) {
        char buffer[64 * 1024];
        off_t in = start, out = start;
        bool in_kernel = true;

        while (in < end) {
                /* Whoever looks how far it is sees no more than whole calls. */
                size_t want = (size_t) MIN(end - in, (off_t) 1 << 24);
                ssize_t n;

                if (in_kernel) {
                        n = copy_file_range(from, &in, to, &out, want, 0);
                        if (n < 0 && errno != EINTR)
                                in_kernel = false;
                        else if (n == 0)
                                return 0; /* it became shorter */
                        continue;
                }
                n = pread(from, buffer, MIN(want, sizeof(buffer)), in);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                /* What is not written stays a hole. */
                for (ssize_t done = is_zero(buffer, (size_t) n) ? n : 0, k; done < n; done += k) {
                        k = pwrite(to, buffer + done, (size_t) (n - done), in + done);
                        if (k < 0)
                                return -errno;
                }
                in += n;
                out = in;
        }
        return 0;
}

int copy_file(int from, int to) {
        struct stat st;

        if (fstat(from, &st) < 0)
                return -errno;
        if (S_ISBLK(st.st_mode)) {
                st.st_size = lseek(from, 0, SEEK_END);
                if (st.st_size < 0 || ftruncate(to, st.st_size) < 0)
                        return -errno;
                return copy_range(from, to, 0, st.st_size);
        }
        if (st.st_size == 0 || ioctl(to, FICLONE, from) >= 0)
                return 0;
        if (ftruncate(to, st.st_size) < 0)
                return -errno;

        for (off_t at = 0; at < st.st_size;) {
                off_t data = lseek(from, at, SEEK_DATA);
                if (data < 0 && errno == ENXIO)
                        return 0; /* a hole to the end */
                off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
                if (data < 0 || hole < 0) {
                        data = at;
                        hole = st.st_size;
                }
                int r = copy_range(from, to, data, hole);
                if (r < 0)
                        return r;
                at = hole;
        }
        return 0;
}

/* All extended attributes, by path below /proc/self/fd, which works for links and nodes alike. */
static int copy_xattrs(const Copy *c, const char *from, const char *to) {
        _cleanup_free_ char *names = NULL, *value = NULL;
        ssize_t n = llistxattr(from, NULL, 0);

        if (n < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;
        if (n == 0)
                return 0;
        names = malloc(XATTR_NAMES_MAX);
        value = malloc(XATTR_SIZE_MAX);
        if (!names || !value)
                return -ENOMEM;
        n = llistxattr(from, names, XATTR_NAMES_MAX);
        if (n < 0)
                return -errno;

        for (const char *name = names; name < names + n; name += strlen(name) + 1) {
                if (c->options->takes_xattr && !c->options->takes_xattr(c->options->context, name))
                        continue;
                ssize_t k = lgetxattr(from, name, value, XATTR_SIZE_MAX);
                if (k < 0 && errno == ENODATA)
                        continue;
                if (k < 0 || lsetxattr(to, name, value, (size_t) k, 0) < 0)
                        return -errno;
        }
        return 0;
}

/* Owner, attributes, mode and times: in this order, as changing the owner drops setuid and
 * capabilities. */
static int copy_attributes(Copy *c, int from_dir, int to_dir, const char *name,
                           const struct stat *st, Error *e) {
        struct timespec times[2] = { st->st_atim, st->st_mtim };
        mode_t mode = (c->options->mode ? c->options->mode(c->options->context, st) : st->st_mode) &
                      07777;
        char from[FD_PATH_MAX + NAME_MAX + 2], to[FD_PATH_MAX + NAME_MAX + 2];
        char buffer[FD_PATH_MAX];
        int r;

        (void) snprintf(from, sizeof(from), "%s/%s", fd_path(from_dir, buffer), name);
        (void) snprintf(to, sizeof(to), "%s/%s", fd_path(to_dir, buffer), name);

        if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                return fail(c, errno, "set the owner of", e);
        r = copy_xattrs(c, from, to);
        if (r < 0)
                return fail(c, r, "copy extended attributes of", e);
        if (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, mode, 0) < 0)
                return fail(c, errno, "set the mode of", e);
        if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return fail(c, errno, "set the times of", e);
        return 0;
}

static int copy_regular(Copy *c, int from_dir, int to_dir, const char *name, const struct stat *st,
                        Error *e) {
        _cleanup_fd_ int from = openat(from_dir, name,
                                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_fd_ int to = -EBADF;
        int r;

        if (from < 0)
                return fail(c, errno, "open", e);
        to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return fail(c, errno, "make", e);
        r = copy_file(from, to);
        if (r < 0)
                return fail(c, r, "copy", e);
        if (c->options->done)
                (void) atomic_fetch_add_explicit(c->options->done, (uint64_t) st->st_size,
                                                 memory_order_relaxed);
        return 0;
}

static int copy_symlink(Copy *c, int from_dir, int to_dir, const char *name, Error *e) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

        if (n < 0)
                return fail(c, errno, "read", e);
        target[n] = '\0';
        return symlinkat(target, to_dir, name) < 0 ? fail(c, errno, "make", e) : 0;
}

/* Makes @name another name of its first copy, or remembers that this is the first.
 * Return: 1 linked; 0 to be copied; -errno. */
static int copy_link(Copy *c, int to_dir, const char *name, const struct stat *st, Error *e) {
        Link *l = calloc(1, sizeof(*l));

        if (!l || !(l->path = strdup(c->path.p))) {
                free(l);
                return error_oom(e);
        }
        l->device = st->st_dev;
        l->inode = st->st_ino;

        Link *const *found = tsearch(l, &c->links, compare_links);
        if (!found) {
                link_free(l);
                return error_oom(e);
        }
        if (*found == l)
                return 0;
        link_free(l);
        if (linkat(c->to_root, (*found)->path, to_dir, name, 0) < 0)
                return fail(c, errno, "link", e);
        return 1;
}

static int copy_children(Copy *c, int from_fd, int to_fd, Error *e);

/* Whether something else is mounted there. A subvolume of btrfs has a number of its own as well, but no mount. */
static bool is_mount(const Copy *c, int dir_fd, const char *name, const struct stat *st) {
        struct statx sx;

        return st->st_dev != c->device &&
               (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &sx) < 0 ||
                !(sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
                sx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int copy_directory(Copy *c, int from_dir, int to_dir, const char *name,
                          const struct stat *st, Error *e) {
        _cleanup_fd_ int from = -EBADF, to = -EBADF;

        if (mkdirat(to_dir, name, 0700) < 0)
                return fail(c, errno, "make", e);
        if (is_mount(c, from_dir, name, st))
                return 0;

        from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (from < 0)
                return fail(c, errno, "open", e);
        to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return to < 0 ? fail(c, errno, "open the copy of", e)
                      : copy_children(c, TAKE_FD(from), to, e);
}

/* One entry of any kind with all it has. c->path names it. */
static int copy_entry(Copy *c, int from_dir, int to_dir, const char *name, Error *e) {
        struct stat st;
        int r = 0;

        if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : fail(c, errno, "look at", e);

        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode) &&
            c->options->takes_node && !c->options->takes_node(c->options->context, &st))
                return 0;

        if (st.st_nlink > 1 && !S_ISDIR(st.st_mode)) {
                r = copy_link(c, to_dir, name, &st, e);
                if (r != 0)
                        return r < 0 ? r : 0;
        }

        if (S_ISDIR(st.st_mode))
                r = copy_directory(c, from_dir, to_dir, name, &st, e);
        else if (S_ISREG(st.st_mode))
                r = copy_regular(c, from_dir, to_dir, name, &st, e);
        else if (S_ISLNK(st.st_mode))
                r = copy_symlink(c, from_dir, to_dir, name, e);
        else if (mknodat(to_dir, name, (st.st_mode & S_IFMT) | 0600, st.st_rdev) < 0)
                r = fail(c, errno, "make", e);

        return r < 0 ? r : copy_attributes(c, from_dir, to_dir, name, &st, e);
}

/* What is in a directory; owns @from_fd. */
static int copy_children(Copy *c, int from_fd, int to_fd, Error *e) {
        _cleanup_fd_ int fd = from_fd;
        _cleanup_dir_ DIR *d = fdopendir(fd);
        size_t at = c->path.n;
        struct dirent *de;
        int r;

        if (!d)
                return fail(c, errno, "read", e);
        fd = -EBADF;

        while ((errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                if (buf_printf(&c->path, "%s%s", at > 0 ? "/" : "", de->d_name) < 0)
                        return error_oom(e);
                r = copy_entry(c, dirfd(d), to_fd, de->d_name, e);
                if (r < 0)
                        return r;
                c->path.n = at;
                c->path.p[at] = '\0';
        }
        return errno != 0 ? fail(c, errno, "read", e) : 0;
}

static void copy_done(Copy *c) {
        tdestroy(c->links, link_free);
        buf_done(&c->path);
}

int copy_tree(int from_fd, int to_fd, Error *e) {
        return copy_tree_with(from_fd, to_fd, &(CopyOptions){}, e);
}

int copy_tree_with(int from_fd, int to_fd, const CopyOptions *options, Error *e) {
        _cleanup_(copy_done) Copy c = { .options = options, .to_root = to_fd };
        struct stat st;
        int r;

        if (fstat(from_fd, &st) < 0)
                return error_set(e, errno, "cannot look at the tree: %m");
        c.device = st.st_dev;

        /* A description of its own: reading a directory moves it. */
        int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open the tree: %m");
        r = copy_children(&c, fd, to_fd, e);
        return r < 0 ? r : copy_attributes(&c, from_fd, to_fd, ".", &st, e);
}
