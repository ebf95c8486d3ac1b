/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tree to tar, see tar-write.h: walks by descriptors, following no link; libarchive writes the headers. */
#include "importer/tar-write.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <search.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "importer/tar-entry.h"

#define READ_SIZE ((size_t) 256 * 1024)

/* A file with several names: the first of them in the archive. */
typedef struct Name {
        dev_t device;
        ino_t inode;
        char *path;
} Name;

typedef struct Writer {
        const TarWriteOptions *options;
        Stage *next;
        TarWritten written;
        struct archive *archive;
        struct archive_entry *entry;
        dev_t device;
        void *names; /* tsearch() tree of Name */
        Buf path;    /* of the current entry, "./" at first */
        char *buffer;
        int failed; /* of the next stage, from within libarchive */
        Error error;
} Writer;

static void name_free(void *p) {
        Name *n = p;

        free(n->path);
        free(n);
}

static int compare_names(const void *a, const void *b) {
        const Name *x = a, *y = b;

        if (x->device != y->device)
                return x->device < y->device ? -1 : 1;
        return (x->inode > y->inode) - (x->inode < y->inode);
}

static void writer_done(Writer *w) {
        tdestroy(w->names, name_free);
        archive_entry_free(w->entry);
        (void) archive_write_free(w->archive);
        buf_done(&w->path);
        free(w->buffer);
}

static la_ssize_t on_write(struct archive *a, void *context, const void *data, size_t n) {
        Writer *w = context;

        if (w->failed == 0)
                w->failed = stage_push(w->next, data, n, &w->error);
        if (w->failed < 0) {
                archive_set_error(a, -w->failed, "given up");
                return -1;
        }
        return (la_ssize_t) n;
}

static int fail(const Writer *w, int r, const char *what, Error *e) {
        _cleanup_free_ char *shown = str_escape(w->path.p, "'");

        return error_set(e, r, "cannot %s '%.300s': %m", what, strempty(shown));
}

/* What libarchive says, or the stage behind it. */
static int archive_failed(const Writer *w, Error *e) {
        _cleanup_free_ char *shown = str_escape(w->path.p, "'");
        const char *text = archive_error_string(w->archive);

        if (w->failed < 0) {
                if (e)
                        *e = w->error;
                return w->failed;
        }
        return error_set(e, EIO, "cannot put '%.200s' into an archive: %s", strempty(shown),
                         text ? text : "no reason given");
}

/* Where a file has content. Return: 1 it has holes, which the entry knows of; 0; -errno. */
static int find_holes(Writer *w, int fd, const struct stat *st) {
        off_t at = 0;

        if ((uint64_t) st->st_blocks * 512 >= (uint64_t) st->st_size)
                return 0;
        while (at < st->st_size) {
                off_t data = lseek(fd, at, SEEK_DATA);
                if (data < 0 && errno == ENXIO)
                        break;
                off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
                if (data < 0 || hole < 0)
                        return errno == EINVAL ? 0 : -errno;
                if (data == 0 && hole >= st->st_size)
                        return 0;
                archive_entry_sparse_add_entry(w->entry, data, MIN(hole, st->st_size) - data);
                at = hole;
        }
        if (archive_entry_sparse_count(w->entry) == 0)
                archive_entry_sparse_add_entry(w->entry, 0, 0);
        return 1;
}

/* Of holes libarchive takes no more than their length. */
static int write_zeros(Writer *w, uint64_t n, Error *e) {
        static const char zeros[64 * 1024];

        while (n > 0) {
                size_t k = (size_t) MIN(n, (uint64_t) sizeof zeros);

                if (archive_write_data(w->archive, zeros, k) < 0)
                        return archive_failed(w, e);
                n -= k;
        }
        return 0;
}

static int write_range(Writer *w, int fd, off_t from, off_t end, Error *e) {
        while (from < end) {
                ssize_t n = pread(fd, w->buffer, (size_t) MIN(end - from, (off_t) READ_SIZE), from);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fail(w, errno, "read", e);
                if (n == 0) /* it became shorter */
                        return write_zeros(w, (uint64_t) (end - from), e);
                if (archive_write_data(w->archive, w->buffer, (size_t) n) < 0)
                        return archive_failed(w, e);
                from += n;
                if (w->options->done)
                        (void) atomic_fetch_add_explicit(w->options->done, (uint64_t) n,
                                                         memory_order_relaxed);
        }
        return 0;
}

static int write_content(Writer *w, int fd, const struct stat *st, bool holes, Error *e) {
        int64_t offset, length, at = 0;
        int r = 0;

        if (!holes)
                return write_range(w, fd, 0, st->st_size, e);
        (void) archive_entry_sparse_reset(w->entry);
        while (r >= 0 && archive_entry_sparse_next(w->entry, &offset, &length) == ARCHIVE_OK) {
                r = write_zeros(w, (uint64_t) (offset - at), e);
                if (r >= 0)
                        r = write_range(w, fd, offset, offset + length, e);
                at = offset + length;
        }
        return r < 0 ? r : write_zeros(w, (uint64_t) (st->st_size - at), e);
}

/* Makes the entry one more name of what is in the archive already, if it is.
 * Return: 1; 0 = it is the first name; -ENOMEM. */
static int find_name(Writer *w, const struct stat *st) {
        Name *n = calloc(1, sizeof *n);

        if (!n || !(n->path = strdup(w->path.p))) {
                free(n);
                return -ENOMEM;
        }
        n->device = st->st_dev;
        n->inode = st->st_ino;

        Name *const *found = tsearch(n, &w->names, compare_names);
        if (!found || *found != n)
                name_free(n);
        if (!found)
                return -ENOMEM;
        if (*found == n)
                return 0;
        archive_entry_set_hardlink(w->entry, (*found)->path);
        archive_entry_set_size(w->entry, 0);
        return 1;
}

static void set_stat(Writer *w, const struct stat *st) {
        bool later = st->st_mtim.tv_sec >= w->options->clamp_mtime;

        archive_entry_clear(w->entry);
        archive_entry_set_pathname(w->entry, w->path.p);
        archive_entry_set_mode(w->entry, st->st_mode);
        archive_entry_set_uid(w->entry, st->st_uid);
        archive_entry_set_gid(w->entry, st->st_gid);
        archive_entry_set_mtime(w->entry, later ? w->options->clamp_mtime : st->st_mtim.tv_sec,
                                later ? 0 : st->st_mtim.tv_nsec);
        if (S_ISREG(st->st_mode))
                archive_entry_set_size(w->entry, st->st_size);
        if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
                archive_entry_set_rdev(w->entry, st->st_rdev);
}

static int set_target(Writer *w, int dir_fd, const char *name, Error *e) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dir_fd, name, target, sizeof target - 1);

        if (n < 0)
                return fail(w, errno, "read", e);
        target[n] = '\0';
        archive_entry_set_symlink(w->entry, target);
        return 0;
}

/* The header, and of a file the content. @fd: of a file */
static int write_entry(Writer *w, int fd, const struct stat *st, Error *e) {
        bool content = fd >= 0 && !archive_entry_hardlink(w->entry);
        int holes = content ? find_holes(w, fd, st) : 0;

        if (holes < 0)
                return fail(w, holes, "look for holes in", e);
        if (archive_write_header(w->archive, w->entry) < ARCHIVE_WARN)
                return archive_failed(w, e);
        w->written.entries++;
        int r = content ? write_content(w, fd, st, holes > 0, e) : 0;
        if (r >= 0 && archive_write_finish_entry(w->archive) < ARCHIVE_WARN)
                return archive_failed(w, e);
        return r;
}

static int open_file(const Writer *w, int dir_fd, const char *name, struct stat *st, Error *e) {
        struct stat now;
        int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0)
                return fail(w, errno, "open", e);
        if (fstat(fd, &now) < 0 || !S_ISREG(now.st_mode)) {
                (void) close(fd);
                return fail(w, EBUSY, "read what changes meanwhile,", e);
        }
        *st = now;
        return fd;
}

/* Whether a directory is something that is mounted there. A subvolume is of another device as well, and part of the
 * tree.
 * @device: that is known to be the tree's */
static bool is_mounted(int dir_fd, const char *name, const struct stat *st, dev_t device) {
        struct statx above, here;

        return st->st_dev != device &&
               (statx(dir_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &above) < 0 ||
                statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &here) <
                        0 ||
                !(above.stx_mask & here.stx_mask & STATX_MNT_ID) ||
                above.stx_mnt_id != here.stx_mnt_id);
}

static int write_children(Writer *w, int fd, Error *e);

static int write_directory(Writer *w, int dir_fd, const char *name, const struct stat *st,
                           Error *e) {
        int r = write_entry(w, -EBADF, st, e);

        if (r < 0 || is_mounted(dir_fd, name, st, w->device))
                return r;
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? fail(w, errno, "open", e) : write_children(w, fd, e);
}

/* One entry of any kind; w->path names it. */
static int write_one(Writer *w, int dir_fd, const char *name, Error *e) {
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;
        int r;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : fail(w, errno, "look at", e);
        if (S_ISSOCK(st.st_mode)) {
                w->written.sockets++;
                return 0;
        }
        if (S_ISREG(st.st_mode)) {
                fd = open_file(w, dir_fd, name, &st, e);
                if (fd < 0)
                        return fd;
        }

        set_stat(w, &st);
        r = S_ISLNK(st.st_mode) ? set_target(w, dir_fd, name, e) : 0;
        if (r >= 0) {
                r = tar_entry_read_xattrs(w->entry, dir_fd, name);
                if (r < 0)
                        r = fail(w, r, "read the extended attributes of", e);
        }
        if (r >= 0 && st.st_nlink > 1 && !S_ISDIR(st.st_mode)) {
                r = find_name(w, &st);
                if (r < 0)
                        return error_oom(e);
        }
        if (r < 0)
                return r;
        return S_ISDIR(st.st_mode) ? write_directory(w, dir_fd, name, &st, e)
                                   : write_entry(w, fd, &st, e);
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The names in a directory, sorted. Return: 0 or -errno. */
static int list(int fd, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        size_t n = 0, size = 0;
        struct dirent *de;
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        _cleanup_dir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);

        if (!d) {
                int r = -errno;
                (void) fd_close(copy);
                return r;
        }
        while ((errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                if (n + 2 > size) {
                        size = MAX(size * 2, (size_t) 64);
                        char **more = reallocarray(names, size, sizeof *names);
                        if (!more)
                                return -ENOMEM;
                        names = more;
                }
                names[n] = strdup(de->d_name);
                if (!names[n])
                        return -ENOMEM;
                names[++n] = NULL;
        }
        if (errno != 0)
                return -errno;
        if (n > 1)
                qsort(names, n, sizeof *names, compare_strings);
        *ret = TAKE_PTR(names);
        return 0;
}

/* Owns @fd. */
static int write_children(Writer *w, int fd, Error *e) {
        _cleanup_fd_ int owned = fd;
        _cleanup_strv_ char **names = NULL;
        size_t at = w->path.n;
        int r = list(fd, &names);

        if (r < 0)
                return fail(w, r, "read", e);
        STRV_FOREACH(name, names) {
                if (buf_printf(&w->path, "%s%s", at > 2 ? "/" : "", *name) < 0)
                        return error_oom(e);
                r = write_one(w, owned, *name, e);
                if (r < 0)
                        return r;
                w->path.n = at;
                w->path.p[at] = '\0';
        }
        return 0;
}

static int open_archive(Writer *w, Error *e) {
        w->archive = archive_write_new();
        w->entry = archive_entry_new();
        w->buffer = malloc(READ_SIZE);
        if (!w->archive || !w->entry || !w->buffer)
                return error_oom(e);
        if (archive_write_set_format_pax(w->archive) < ARCHIVE_WARN ||
            archive_write_set_bytes_per_block(w->archive, 0) < ARCHIVE_WARN ||
            archive_write_open(w->archive, w, NULL, on_write, NULL) < ARCHIVE_WARN)
                return archive_failed(w, e);
        return 0;
}

int tar_write(int root_fd, const TarWriteOptions *options, Stage *next, TarWritten *ret, Error *e) {
        _cleanup_(writer_done) Writer w = { .options = options, .next = next };
        struct stat st;
        int r;

        if (fstat(root_fd, &st) < 0)
                return error_set(e, errno, "cannot look at the tree: %m");
        w.device = st.st_dev;
        if (buf_puts(&w.path, "./") < 0)
                return error_oom(e);
        r = open_archive(&w, e);
        if (r >= 0)
                r = write_one(&w, root_fd, ".", e);
        if (r < 0)
                return r;
        if (archive_write_close(w.archive) < ARCHIVE_WARN)
                return archive_failed(&w, e);
        r = stage_end(next, e);
        if (r >= 0)
                *ret = w.written;
        return r;
}

static int add_size(int dir_fd, const char *name, dev_t device, uint64_t *sum) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;
        struct stat st;
        int r = 0;

        if (!d)
                return -errno;
        fd = -EBADF;
        while (r >= 0 && (errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, "..") ||
                    (de->d_type != DT_REG && de->d_type != DT_DIR && de->d_type != DT_UNKNOWN) ||
                    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (S_ISREG(st.st_mode) && st.st_dev == device)
                        *sum += (uint64_t) MIN(st.st_size, (off_t) st.st_blocks * 512) /
                                st.st_nlink;
                else if (S_ISDIR(st.st_mode) && !is_mounted(dirfd(d), de->d_name, &st, device))
                        r = add_size(dirfd(d), de->d_name, st.st_dev, sum);
        }
        return r;
}

int tar_write_size(int root_fd, uint64_t *ret) {
        struct stat st;
        uint64_t sum = 0;
        int r = fstat(root_fd, &st) < 0 ? -errno : add_size(root_fd, ".", st.st_dev, &sum);

        if (r >= 0)
                *ret = sum;
        return r;
}
