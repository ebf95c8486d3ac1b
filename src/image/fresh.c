/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resets trees, see fresh.h. The tree is taken for hostile: all is looked up inside of it, and of links only those
 * on the way to a directory are followed. */
#include "image/fresh.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

/* What goes; the last part is a pattern. */
static const struct {
        const char *directory, *pattern;
} secrets[] = {
        { "/etc/ssh", "ssh_host_*_key" },
        { "/etc/ssh", "ssh_host_*_key.pub" },
        { "/etc/ssh", "ssh_host_*_key-cert.pub" },
        { "/var/lib/systemd", "random-seed" },
        { "/var/lib/systemd", "credential.secret" },
};

/* Return: a directory in the tree for listing; 0 it has none; -errno. */
static int open_directory(int tree_fd, const char *path, Error *e) {
        int fd = path_open_in_root(tree_fd, path, O_RDONLY | O_DIRECTORY, 0);

        if (fd == -ENOENT || fd == -ENOTDIR)
                return 0;
        return fd < 0 ? error_set(e, fd, "cannot open %s in the tree: %m", path) : fd;
}

static int remove_matching(int tree_fd, const char *directory, const char *pattern, Error *e) {
        int fd = open_directory(tree_fd, directory, e);
        struct dirent *de;

        if (fd <= 0)
                return fd;
        _cleanup_dir_ DIR *d = dir_take(fd);
        if (!d)
                return error_oom(e);
        while ((errno = 0, de = readdir(d))) {
                struct stat st;

                if (fnmatch(pattern, de->d_name, 0) != 0 ||
                    fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
                        continue;
                if (unlinkat(fd, de->d_name, 0) < 0)
                        return error_set(e, errno, "cannot remove %s/%s in the tree: %m", directory,
                                         de->d_name);
        }
        return errno != 0 ? error_set(e, errno, "cannot list %s in the tree: %m", directory) : 0;
}

/* Replaces what is at a name by a file: it may be a link, which could lead anywhere, or shared with others.
 * @always: also where there is nothing */
static int put_file(int dir_fd, const char *name, const char *text, bool always, Error *e) {
        struct stat st, dir;

        if (fstat(dir_fd, &dir) < 0)
                return error_set(e, errno, "cannot look at /etc in the tree: %m");
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno != ENOENT)
                        return error_set(e, errno, "cannot look at /etc/%s in the tree: %m", name);
                if (!always)
                        return 0;
                st = (struct stat){ .st_mode = S_IFREG | 0644,
                                    .st_uid = dir.st_uid,
                                    .st_gid = dir.st_gid };
        }
        if (S_ISDIR(st.st_mode))
                return error_set(e, EISDIR, "/etc/%s in the tree is a directory", name);
        mode_t mode = S_ISREG(st.st_mode) ? st.st_mode & 0777 : 0644;
        int r = file_write_atomic(dir_fd, name, text, strlen(text), mode);
        if (r >= 0 && fchownat(dir_fd, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        return r < 0 ? error_set(e, r, "cannot write /etc/%s in the tree: %m", name) : 0;
}

static int reset_etc(int tree_fd, const char *hostname, Error *e) {
        _cleanup_free_ char *line = str_format("%s\n", strempty(hostname));
        int fd = open_directory(tree_fd, "/etc", e);

        if (!line)
                return error_oom(e);
        if (fd <= 0)
                return fd;
        _cleanup_fd_ int etc = fd;
        /* Empty, not absent or "uninitialized": the system gets an ID, and is not set up from scratch. */
        int r = put_file(etc, "machine-id", "", false, e);
        return r < 0 ? r : put_file(etc, "hostname", hostname ? line : "", hostname, e);
}

int fresh_tree(int tree_fd, const char *hostname, Error *e) {
        struct stat st;
        int r = reset_etc(tree_fd, hostname, e);

        for (size_t i = 0; i < ELEMENTSOF(secrets) && r >= 0; i++)
                r = remove_matching(tree_fd, secrets[i].directory, secrets[i].pattern, e);
        if (r < 0)
                return r;
        /* Mostly a link to the other; if not, it is a copy of it. */
        int fd = open_directory(tree_fd, "/var/lib/dbus", e);
        if (fd <= 0)
                return fd;
        _cleanup_fd_ int dbus = fd;
        if (fstatat(dbus, "machine-id", &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISREG(st.st_mode) &&
            unlinkat(dbus, "machine-id", 0) < 0)
                return error_set(e, errno,
                                 "cannot remove /var/lib/dbus/machine-id in the tree: %m");
        return 0;
}
