/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies into and out of machines, see transfer.h. Knows nothing of namespaces: both sides are descriptors
 * of directories. */
#include "machined/transfer.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/home.h"
#include "base/path.h"
#include "image/copy.h"
#include "machined/transfer-meta.h"

#define DEPTH_MAX       256
#define COUNT_MAX       100000 /* entries that are looked at to tell how far a copy is */
#define KERNEL_FILE_MAX (64 * 1024)

uint32_t transfer_id(const Transfer *t, const IdMap *map, uint32_t id) {
        uint32_t mapped, root = 0;

        if (t->to_machine) {
                if (idmap_to_outside(map, id, &mapped) >= 0)
                        return mapped;
                return idmap_to_outside(map, 0, &root) >= 0 ? root : 0;
        }
        return idmap_to_inside(map, id, &mapped) >= 0 ? mapped : 0;
}

/* What a user takes out of a machine of theirs is theirs. */
static int set_owner(const Transfer *t, int fd, const char *name, const struct stat *st) {
        if (home_is_user() && !t->to_machine)
                return 0;
        return fchownat(fd, name, transfer_id(t, t->uids, st->st_uid),
                        transfer_id(t, t->gids, st->st_gid),
                        AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0
                       ? -errno
                       : 0;
}

/* Owner, what is attached, mode and times; mode after the owner, whose change takes bits away. */
static int set_attributes(const Transfer *t, int source, int fd, const struct stat *st) {
        const struct timespec times[] = { st->st_atim, st->st_mtim };
        mode_t mode = st->st_mode & (t->drop_privileges ? 01777 : 07777);

        int r = set_owner(t, fd, "", st);

        if (r >= 0)
                r = transfer_copy_meta(t, source, fd);
        if (r < 0)
                return r;
        return fchmod(fd, mode) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

/* A file without a name until it is whole, so that whoever ends us leaves nothing; where the file system has no
 * such files, one that has its name at once. */
static int open_target(const Transfer *t, int to_dir, const char *to, bool *ret_has_name) {
        int fd;

        if (!t->replace && faccessat(to_dir, to, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return -EEXIST;
        *ret_has_name = false;
        fd = openat(to_dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
        if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
                return fd < 0 ? -errno : fd;
        if (t->replace && unlinkat(to_dir, to, 0) < 0 && errno != ENOENT)
                return -errno;
        *ret_has_name = true;
        fd = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? -errno : fd;
}

/* What is replaced is there until the new file takes its place. */
static int give_name(const Transfer *t, int fd, int to_dir, const char *to) {
        char path[FD_PATH_MAX], other[64];

        if (!t->replace)
                return linkat(AT_FDCWD, fd_path(fd, path), to_dir, to, AT_SYMLINK_FOLLOW) < 0
                               ? -errno
                               : 0;
        (void) snprintf(other, sizeof other, ".#skep-copy-%d", (int) getpid());
        (void) unlinkat(to_dir, other, 0);
        if (linkat(AT_FDCWD, fd_path(fd, path), to_dir, other, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        if (renameat(to_dir, other, to_dir, to) >= 0)
                return 0;
        int r = -errno;
        (void) unlinkat(to_dir, other, 0);
        return r;
}

static int copy_regular(const Transfer *t, int source, const struct stat *st, int to_dir,
                        const char *to) {
        char path[FD_PATH_MAX];
        bool has_name;
        /* What was looked at, not what has the name by now. */
        _cleanup_fd_ int in = open(fd_path(source, path), O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (in < 0)
                return -errno;
        _cleanup_fd_ int out = open_target(t, to_dir, to, &has_name);
        if (out < 0)
                return out;
        /* Files of the kernel say little of their size, and have no blocks. */
        int r = st->st_size <= KERNEL_FILE_MAX && st->st_blocks == 0 ? fd_copy(in, out)
                                                                     : copy_file(in, out);
        if (r >= 0)
                r = set_attributes(t, in, out, st);
        if (r >= 0 && !has_name)
                r = give_name(t, out, to_dir, to);
        if (r < 0 && has_name)
                (void) unlinkat(to_dir, to, 0);
        return r;
}

static int copy_special(const Transfer *t, int source, const struct stat *st, int to_dir,
                        const char *to) {
        if (t->replace && unlinkat(to_dir, to, 0) < 0 && errno != ENOENT)
                return -errno;
        if (S_ISLNK(st->st_mode)) {
                char target[PATH_MAX];
                ssize_t n = readlinkat(source, "", target, sizeof target - 1);
                if (n < 0)
                        return -errno;
                target[n] = '\0';
                if (symlinkat(target, to_dir, to) < 0)
                        return -errno;
        } else if (mkfifoat(to_dir, to, st->st_mode & 0777) < 0)
                return -errno;

        return set_owner(t, to_dir, to, st);
}

static int copy_any(const Transfer *t, int from_dir, const char *from, int to_dir, const char *to,
                    unsigned depth, Error *e);

static int copy_entries(const Transfer *t, int in, int out, unsigned depth, Error *e) {
        _cleanup_dir_ DIR *d = dir_open_again(in);

        if (!d)
                return error_set(e, errno, "cannot read it: %m");
        for (;;) {
                errno = 0;
                struct dirent *de = readdir(d);
                if (!de)
                        return errno > 0 ? error_set(e, errno, "cannot read it: %m") : 0;
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                int r = copy_any(t, in, de->d_name, out, de->d_name, depth + 1, e);
                if (r < 0)
                        return r;
        }
}

static int copy_directory(const Transfer *t, int source, const struct stat *st, int to_dir,
                          const char *to, unsigned depth, Error *e) {
        bool is_new = mkdirat(to_dir, to, 0700) >= 0;

        if (!is_new && errno != EEXIST)
                return error_set(e, errno, "cannot make it: %m");
        _cleanup_fd_ int out = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (out < 0)
                return error_set(e, errno == ENOTDIR || errno == ELOOP ? EEXIST : errno,
                                 "cannot open it where it is to go: %m");
        int r = copy_entries(t, source, out, depth, e);
        if (r >= 0 && is_new) {
                r = set_attributes(t, source, out, st);
                if (r < 0)
                        return error_set(e, r, "cannot set its owner and mode: %m");
        }
        return r;
}

static int copy_any(const Transfer *t, int from_dir, const char *from, int to_dir, const char *to,
                    unsigned depth, Error *e) {
        _cleanup_fd_ int source = openat(from_dir, from, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        int r;

        if (source < 0 || fstat(source, &st) < 0)
                return error_set(e, errno, "%s: cannot open it: %m", from);
        if (depth > DEPTH_MAX)
                return error_set(e, ELOOP, "%s: folders nested too deeply", from);

        if (S_ISDIR(st.st_mode)) {
                r = copy_directory(t, source, &st, to_dir, to, depth, e);
                return r < 0 ? error_wrap(e, r, "%s", from) : 0;
        }
        if (S_ISSOCK(st.st_mode))
                return 0;
        if (S_ISREG(st.st_mode))
                r = copy_regular(t, source, &st, to_dir, to);
        else if (S_ISLNK(st.st_mode) || S_ISFIFO(st.st_mode))
                r = copy_special(t, source, &st, to_dir, to);
        else
                return error_set(e, EOPNOTSUPP, "%s: a device is not copied", from);
        return r < 0 ? error_set(e, r, "%s: cannot copy it: %m", from) : 0;
}

int transfer_copy(const Transfer *t, int from_dir, const char *from, int to_dir, const char *to,
                  Error *e) {
        return copy_any(t, from_dir, from, to_dir, to, 0, e);
}

/* Adds up what is in files, not what is in holes. Return: 0; -E2BIG; what cannot be read counts nothing. */
static int add_size(int dir_fd, const char *name, unsigned depth, unsigned *left, uint64_t *sum) {
        _cleanup_dir_ DIR *d = NULL;
        struct stat st;

        if (*left == 0 || depth > DEPTH_MAX)
                return -E2BIG;
        (*left)--;
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        if (S_ISREG(st.st_mode))
                *sum += MIN((uint64_t) st.st_size, (uint64_t) st.st_blocks * 512);
        if (!S_ISDIR(st.st_mode))
                return 0;
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || !(d = fdopendir(fd))) {
                (void) fd_close(fd);
                return 0;
        }
        for (struct dirent *de; (de = readdir(d));) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                int r = add_size(fd, de->d_name, depth + 1, left, sum);
                if (r < 0)
                        return r;
        }
        return 0;
}

uint64_t transfer_size(int from_dir, const char *from) {
        unsigned left = COUNT_MAX;
        uint64_t sum = 0;

        return add_size(from_dir, from, 0, &left, &sum) < 0 ? UINT64_MAX : sum;
}
