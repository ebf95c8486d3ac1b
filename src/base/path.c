/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths, see path.h. Knows nothing of what images contain. */
#include "base/path.h"

#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool path_is_absolute_clean(const char *path) {
        if (path[0] != '/' || strlen(path) >= PATH_MAX)
                return false;
        if (!path[1])
                return true;

        for (const char *p = path; *p;) {
                size_t n = strcspn(++p, "/");
                if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += n;
        }
        return true;
}

bool path_is_safe(const char *path) {
        if (path[0] != '/' || strlen(path) >= PATH_MAX)
                return false;

        for (const char *p = path; *p;) {
                size_t n = strcspn(p, "/");
                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return false;
                p += n + (p[n] == '/');
        }
        return true;
}

char *path_clean(const char *path) {
        char *out = malloc(strlen(path) + 2), *o = out;

        if (!out)
                return NULL;

        bool absolute = path[0] == '/';
        if (absolute)
                *o++ = '/';
        for (const char *p = path; *p;) {
                p += strspn(p, "/");
                size_t n = strcspn(p, "/");
                if (n > 0 && !(n == 1 && p[0] == '.')) {
                        if (o > out && o[-1] != '/')
                                *o++ = '/';
                        memcpy(o, p, n);
                        o += n;
                }
                p += n;
        }
        if (o == out)
                *o++ = '.';
        *o = '\0';
        return out;
}

char *path_join(const char *a, const char *b) {
        size_t n = strlen(a);

        while (n > 0 && a[n - 1] == '/')
                n--;
        b += strspn(b, "/");
        return str_format("%.*s/%s", (int) n, a, b);
}

int path_absolute(const char *path, char **ret) {
        _cleanup_free_ char *cwd = NULL, *joined = NULL;

        if (path[0] != '/') {
                cwd = getcwd(NULL, 0);
                if (!cwd)
                        return -errno;
                joined = path_join(cwd, path);
                if (!joined)
                        return -ENOMEM;
        }
        *ret = path_clean(joined ? joined : path);
        return *ret ? 0 : -ENOMEM;
}

bool path_is_below(const char *path, const char *dir) {
        if (streq(dir, "/"))
                return path[0] == '/';
        const char *rest = str_skip_prefix(path, dir);
        return rest && (*rest == '\0' || *rest == '/');
}

const char *path_last(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int open_how(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve) {
        struct open_how how = {
                .flags = (uint64_t) (flags | O_CLOEXEC),
                .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
                .resolve = resolve,
        };

        /* EAGAIN: a rename raced with a ".." walk and the kernel would not vouch for the result. */
        for (unsigned tries = 0;; tries++) {
                int fd = (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
                if (fd >= 0)
                        return fd;
                if (errno != EINTR && (errno != EAGAIN || tries > 32))
                        return -errno;
        }
}

int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode) {
        return open_how(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_beneath(int dir_fd, const char *path, int flags, mode_t mode) {
        return open_how(dir_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int path_open_regular_in_root(int root_fd, const char *path) {
        _cleanup_fd_ int found = path_open_in_root(root_fd, path, O_PATH, 0);
        char text[FD_PATH_MAX];
        struct stat st;

        if (found < 0)
                return found;
        if (fstat(found, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        int fd = open(fd_path(found, text), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int path_read_in_root(int root_fd, const char *path, size_t max, char **ret, size_t *ret_n) {
        _cleanup_fd_ int fd = path_open_regular_in_root(root_fd, path);

        return fd < 0 ? fd : fd_read_all(fd, max, ret, ret_n);
}

/* Opens directory @name (one component) seen from @dir_fd, making it if it is not there. */
static int mkdir_step(int root_fd, int dir_fd, const char *so_far, const char *name, mode_t mode,
                      uid_t uid, gid_t gid) {
        int fd = path_open_in_root(root_fd, so_far, O_PATH | O_DIRECTORY, 0);

        if (fd != -ENOENT)
                return fd;
        if (mkdirat(dir_fd, name, mode) < 0)
                return -errno;

        /* By descriptor, not by name: what was made is what gets its mode and owner. */
        fd = path_open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (fd < 0)
                return fd;
        if (fchmod(fd, mode) < 0 ||
            ((uid != (uid_t) -1 || gid != (gid_t) -1) && fchown(fd, uid, gid) < 0)) {
                int r = -errno;
                (void) close(fd);
                return r;
        }
        return fd;
}

int path_mkdirs_in_root(int root_fd, const char *path, mode_t mode, uid_t uid, gid_t gid) {
        _cleanup_free_ char *clean = path_clean(path);
        _cleanup_fd_ int fd = path_open_in_root(root_fd, "/", O_PATH | O_DIRECTORY, 0);

        if (!clean)
                return -ENOMEM;
        if (fd < 0)
                return fd;

        for (char *p = clean + (clean[0] == '/'); *p;) {
                size_t n = strcspn(p, "/");
                char end = p[n];

                p[n] = '\0';
                int next = mkdir_step(root_fd, fd, clean, p, mode, uid, gid);
                p[n] = end;
                if (next < 0)
                        return next;

                (void) fd_close(fd);
                fd = next;
                p += n + (end == '/');
        }
        return TAKE_FD(fd);
}

int path_mkdirs(const char *path, mode_t mode) {
        _cleanup_free_ char *clean = path_clean(path);

        if (!clean)
                return -ENOMEM;

        for (char *p = clean + 1; p[-1]; p++) {
                if (*p && *p != '/')
                        continue;
                char end = *p;
                *p = '\0';
                if (mkdir(clean, mode) < 0 && errno != EEXIST &&
                    (errno != EROFS || access(clean, F_OK) < 0))
                        return -errno;
                *p = end;
                if (!end)
                        break;
        }
        return 0;
}

static void clear_immutable(int dir_fd, const char *name) {
        _cleanup_fd_ int fd = openat(dir_fd, name,
                                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        int flags;

        if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) >= 0 &&
            (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))) {
                flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
                (void) ioctl(fd, FS_IOC_SETFLAGS, &flags);
        }
}

static int unlink_forced(int dir_fd, const char *name, int flags) {
        if (unlinkat(dir_fd, name, flags) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EPERM)
                return -errno;
        clear_immutable(dir_fd, name);
        return unlinkat(dir_fd, name, flags) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_children(int fd_in, dev_t device);

static int remove_one(int dir_fd, const char *name, dev_t device) {
        int r = unlink_forced(dir_fd, name, 0);

        if (r != -EISDIR && r != -EPERM)
                return r;

        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (fd < 0)
                return errno == ENOTDIR ? r : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (device != 0 && st.st_dev != device)
                return -EBUSY;

        clear_immutable(dir_fd, name);
        r = remove_children(TAKE_FD(fd), st.st_dev);
        int q = unlink_forced(dir_fd, name, AT_REMOVEDIR);
        return r < 0 ? r : q;
}

/* Empties a directory; owns @fd_in. */
static int remove_children(int fd_in, dev_t device) {
        _cleanup_fd_ int fd = fd_in;
        _cleanup_dir_ DIR *d = fdopendir(fd);
        int r = 0;

        if (!d)
                return -errno;
        fd = -EBADF;

        for (;;) {
                errno = 0;
                struct dirent *de = readdir(d);
                if (!de)
                        return r < 0 ? r : -errno;
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                int q = remove_one(dirfd(d), de->d_name, device);
                if (q < 0 && r == 0)
                        r = q;
        }
}

int path_remove_tree(int dir_fd, const char *name) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        return remove_one(dir_fd, name, 0);
}
