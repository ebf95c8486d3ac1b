/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves a tree up by one directory, see unwrap.h. Within one directory, so that it also works where that
 * is a btrfs subvolume, out of which nothing can be renamed. */
#include "importer/unwrap.h"

#include <limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "importer/tree.h"

/* What the inner directory is called meanwhile: its own name may be that of something in it. */
#define INNER_NAME ".#skep.inner"

static bool is_os_tree(int fd) {
        static const char *const files[] = { "etc/os-release", "usr/lib/os-release" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_fd_ int file = path_open_in_root(fd, files[i], O_PATH, 0);
                if (file >= 0)
                        return true;
        }
        return false;
}

static DIR *open_list(int dir_fd) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d)
                (void) fd_close(fd);
        return d;
}

static bool is_dot(const char *name) {
        return streq(name, ".") || streq(name, "..");
}

/* Name of the only thing in a directory. Return: 1 there is one; 0 none or several; -errno. */
static int only_child(int dir_fd, char ret[static NAME_MAX + 1]) {
        _cleanup_dir_ DIR *d = open_list(dir_fd);
        unsigned n = 0;

        if (!d)
                return -errno;
        for (struct dirent *de; n < 2 && (de = readdir(d));) {
                if (is_dot(de->d_name))
                        continue;
                (void) snprintf(ret, NAME_MAX + 1, "%s", de->d_name);
                n++;
        }
        return n == 1;
}

static int read_xattrs(int fd, TreeMeta *m) {
        char names[4096], value[4096];
        ssize_t n = flistxattr(fd, names, sizeof names);

        if (n < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;
        for (const char *name = names; name < names + n; name += strlen(name) + 1) {
                ssize_t size = fgetxattr(fd, name, value, sizeof value);
                int r = size < 0 ? -errno : tree_meta_add_xattr(m, name, value, (size_t) size);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_meta(int fd, TreeMeta *m, Error *e) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at it: %m");
        m->mode = st.st_mode & 07777;
        m->uid = st.st_uid;
        m->gid = st.st_gid;
        m->mtime = st.st_mtim;
        int r = read_xattrs(fd, m);
        return r < 0 ? error_set(e, r, "cannot read its attributes: %m") : 0;
}

static int move_children(int from, int to, Error *e) {
        _cleanup_dir_ DIR *d = open_list(from);
        _cleanup_strv_ char **names = NULL;

        if (!d)
                return error_set(e, errno, "cannot list it: %m");
        for (struct dirent *de; (de = readdir(d));)
                if (!is_dot(de->d_name) && strv_append(&names, de->d_name) < 0)
                        return error_oom(e);
        STRV_FOREACH(name, names)
                if (renameat2(from, *name, to, *name, RENAME_NOREPLACE) < 0)
                        return error_set(e, errno, "cannot move '%.200s': %m", *name);
        return 0;
}

/* Does the moving. @inner is open on @child. */
static int unwrap(int fd, const char *child, int inner, Error *e) {
        const TreeMade made = { .uid = (uid_t) -1, .gid = (gid_t) -1, .mode = UINT32_MAX };
        _cleanup_(tree_meta_done) TreeMeta m = {};
        TreeSkipped skipped;
        int r = read_meta(inner, &m, e);

        if (r < 0)
                return r;
        if (renameat(fd, child, fd, INNER_NAME) < 0)
                return error_set(e, errno, "cannot rename it: %m");
        r = move_children(inner, fd, e);
        if (r < 0)
                return r;
        if (unlinkat(fd, INNER_NAME, AT_REMOVEDIR) < 0)
                return error_set(e, errno, "cannot remove it: %m");
        /* Last, for all of this changes the time. */
        return tree_meta_apply(fd, IMAGE_CLASS_MACHINE, &m, &made, &skipped, e);
}

int unwrap_tree(int fd, Error *e) {
        char child[NAME_MAX + 1];
        int r;

        if (is_os_tree(fd))
                return 0;
        r = only_child(fd, child);
        if (r < 0)
                return error_set(e, r, "cannot list the new tree: %m");
        if (r == 0)
                return 0;

        _cleanup_fd_ int inner = openat(fd, child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0 || !is_os_tree(inner))
                return 0;
        r = unwrap(fd, child, inner, e);
        return r < 0 ? error_wrap(e, r, "moving the tree out of '%.200s'", child) : 1;
}
