/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writer of trees, see tree.h. Knows no archive format. */
#include "importer/tree.h"

#include <limits.h>
#include <unistd.h>

#include "base/path.h"
#include "importer/entry-path.h"
#include "importer/policy.h"

/* A directory that is open: the one called at[0 .. end) */
typedef struct Level {
        int fd;
        size_t end;
} Level;

typedef struct Directory {
        char *path;
        TreeMeta meta;
} Directory;

struct Tree {
        int root_fd; /* borrowed */
        ImageClass class;
        uid_t uid; /* whom what we make belongs to */
        gid_t gid;

        /* The directory that the last entry was in, with all above it. */
        char at[ENTRY_PATH_MAX];
        Level levels[ENTRY_DEPTH_MAX];
        size_t n_levels;

        /* In the order of the archive: of two for one directory the later is right. */
        Directory *directories;
        size_t n_directories, size_directories;

        bool has_root; /* the archive says what the root is like */

        TreeSkipped skipped;
};

/* Mode that new directories have until tree_finish(): the owner has to get in. */
#define DIRECTORY_MODE(m) (((m) &0777) | 0700)

int tree_new(int root_fd, ImageClass class, Tree **ret, Error *e) {
        Tree *t = calloc(1, sizeof *t);

        if (!t)
                return error_oom(e);
        t->root_fd = root_fd;
        t->class = class;
        t->uid = geteuid();
        t->gid = getegid();
        *ret = t;
        return 0;
}

static void leave_to(Tree *t, size_t n_levels) {
        while (t->n_levels > n_levels)
                (void) close(t->levels[--t->n_levels].fd);
}

Tree *tree_free(Tree *t) {
        if (!t)
                return NULL;
        leave_to(t, 0);
        for (size_t i = 0; i < t->n_directories; i++) {
                free(t->directories[i].path);
                tree_meta_done(&t->directories[i].meta);
        }
        free(t->directories);
        free(t);
        return NULL;
}

const TreeSkipped *tree_skipped(const Tree *t) {
        return &t->skipped;
}

static int top_fd(const Tree *t) {
        return t->n_levels == 0 ? t->root_fd : t->levels[t->n_levels - 1].fd;
}

/* Goes one down from where we are, into the component t->at[from .. end), making it if it is missing. */
static int step_down(Tree *t, size_t from, size_t end, Error *e) {
        char name[NAME_MAX + 1];
        int up = top_fd(t), fd;

        memcpy(name, t->at + from, end - from);
        name[end - from] = '\0';

        fd = path_open_beneath(up, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
        if (fd == -ENOENT) {
                /* Archives may leave out the directories that files are in. */
                if (mkdirat(up, name, 0755) < 0)
                        return error_set(e, errno, "cannot make the directory '%.200s': %m", name);
                fd = path_open_beneath(up, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
        }
        if (fd == -ELOOP || fd == -ENOTDIR)
                return error_set(e, fd, "'%.200s' on the way to it is not a directory", name);
        if (fd < 0)
                return error_set(e, fd, "cannot open the directory '%.200s' on the way to it: %m",
                                 name);

        t->levels[t->n_levels++] = (Level){ .fd = fd, .end = end };
        return 0;
}

/* How many of the open levels lie on the way to @path[0 .. n) */
static size_t levels_shared(const Tree *t, const char *path, size_t n) {
        size_t k = 0;

        while (k < t->n_levels) {
                size_t from = k == 0 ? 0 : t->levels[k - 1].end, end = t->levels[k].end;

                if (end > n || (end < n && path[end] != '/') ||
                    memcmp(path + from, t->at + from, end - from) != 0)
                        break;
                k++;
        }
        return k;
}

/* Goes to the directory that @path is in. *@ret_name is the last component, within @path. */
static int enter(Tree *t, const char *path, const char **ret_name, Error *e) {
        const char *name = path_last(path);
        size_t n = name > path ? (size_t) (name - path) - 1 : 0;

        leave_to(t, levels_shared(t, path, n));
        size_t from = t->n_levels == 0 ? 0 : t->levels[t->n_levels - 1].end + 1;
        memcpy(t->at, path, n);
        while (from < n) {
                const char *slash = memchr(path + from, '/', n - from);
                size_t end = slash ? (size_t) (slash - path) : n;
                int r = step_down(t, from, end, e);
                if (r < 0)
                        return r;
                from = end + 1;
        }

        *ret_name = name;
        return top_fd(t);
}

/* Takes away what an earlier entry put at @name, so that another can be made there.
 * Return: 0; 1 = it is a directory and a directory is wanted, so it stays; -errno. */
static int make_room(int dir_fd, const char *name, bool for_directory, Error *e) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, errno, "cannot look at what is there already: %m");
        if (S_ISDIR(st.st_mode) && for_directory)
                return 1;
        if (unlinkat(dir_fd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) >= 0)
                return 0;
        if (errno == ENOTEMPTY)
                return error_set(e, EEXIST, "it would replace a directory that is not empty");
        return error_set(e, errno, "cannot replace what is there already: %m");
}

/* An fd that is open in a directory keeps that directory, not its name: after a replacement, what was
 * opened by name is stale. enter() left all levels below the parent, so nothing is. */

static int remember(Tree *t, const char *path, TreeMeta *m, Error *e) {
        t->has_root = t->has_root || !path[0];
        if (t->n_directories == t->size_directories) {
                size_t size = t->size_directories ? t->size_directories * 2 : 256;
                Directory *d = reallocarray(t->directories, size, sizeof *d);
                if (!d)
                        return error_oom(e);
                t->directories = d;
                t->size_directories = size;
        }

        char *copy = strdup(path);
        if (!copy)
                return error_oom(e);
        t->directories[t->n_directories++] = (Directory){ .path = copy, .meta = *m };
        *m = (TreeMeta){};
        return 0;
}

int tree_directory(Tree *t, const char *path, TreeMeta *m, Error *e) {
        if (path[0]) {
                const char *name;
                int fd = enter(t, path, &name, e), r = 0;

                if (fd < 0)
                        return fd;
                while (r == 0 && mkdirat(fd, name, DIRECTORY_MODE(m->mode)) < 0) {
                        if (errno != EEXIST)
                                return error_set(e, errno, "cannot make it: %m");
                        r = make_room(fd, name, true, e);
                        if (r < 0)
                                return r;
                }
        }
        return remember(t, path, m, e);
}

static int refuse_root(const char *path, Error *e) {
        return path[0] ? 0 : error_set(e, EINVAL, "it would replace the root of the tree");
}

int tree_file(Tree *t, const char *path, const TreeMeta *m, int *ret_fd, Error *e) {
        const char *name;
        int fd, dir_fd, r = refuse_root(path, e);

        if (r < 0)
                return r;
        dir_fd = enter(t, path, &name, e);
        if (dir_fd < 0)
                return dir_fd;

        while ((fd = openat(dir_fd, name,
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                            m->mode & 0777)) < 0) {
                if (errno != EEXIST)
                        return error_set(e, errno, "cannot create it: %m");
                r = make_room(dir_fd, name, false, e);
                if (r < 0)
                        return r;
        }
        *ret_fd = fd;
        return 0;
}

int tree_file_done(Tree *t, int fd, const TreeMeta *m, Error *e) {
        const TreeMade made = { .uid = t->uid, .gid = t->gid, .mode = m->mode & 0777 };
        TreeMeta kept = *m; /* borrows */

        kept.mode = policy_mode(t->class, S_IFREG | m->mode) & 07777;
        t->skipped.modes += kept.mode != m->mode;
        return tree_meta_apply(fd, t->class, &kept, &made, &t->skipped, e);
}

/* Owner and time of what has no descriptor: symlinks and nodes. */
static int finish_by_name(Tree *t, int dir_fd, const char *name, const TreeMeta *m, Error *e) {
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, m->mtime };

        if ((m->uid != t->uid || m->gid != t->gid) &&
            fchownat(dir_fd, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno != EPERM || t->uid == 0)
                        return error_set(e, errno, "cannot give it to %u:%u: %m", m->uid, m->gid);
                t->skipped.owners++;
        }
        if (utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, errno, "cannot set its time: %m");
        for (size_t i = 0; i < m->n_xattrs; i++)
                t->skipped.xattrs += !streq(m->xattrs[i].name, "security.selinux");
        return 0;
}

int tree_symlink(Tree *t, const char *path, const char *target, const TreeMeta *m, Error *e) {
        const char *name;
        int dir_fd, r = refuse_root(path, e);

        if (r < 0)
                return r;
        dir_fd = enter(t, path, &name, e);
        if (dir_fd < 0)
                return dir_fd;

        while (symlinkat(target, dir_fd, name) < 0) {
                if (errno != EEXIST)
                        return error_set(e, errno, "cannot make the link: %m");
                r = make_room(dir_fd, name, false, e);
                if (r < 0)
                        return r;
        }
        return finish_by_name(t, dir_fd, name, m, e);
}

/* Opens the directory that holds a hard link's target, by itself: the levels belong to the link. */
static int open_target_parent(const Tree *t, const char *target, Error *e) {
        const char *last = path_last(target);
        char parent[ENTRY_PATH_MAX];
        size_t n = last > target ? (size_t) (last - target) - 1 : 0;
        int fd;

        memcpy(parent, target, n);
        parent[n] = '\0';
        fd = path_open_beneath(t->root_fd, n ? parent : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
        if (fd < 0)
                return error_set(e, fd, "its link target '%.200s' is not in the tree%s", target,
                                 fd == -ELOOP || fd == -ENOTDIR
                                         ? ": what leads to it is not a directory"
                                         : "");
        return fd;
}

int tree_hardlink(Tree *t, const char *path, const char *target, int *ret_fd, Error *e) {
        const char *name, *last = path_last(target);
        _cleanup_fd_ int target_fd = -EBADF;
        struct stat st;
        int dir_fd, r = refuse_root(path, e);

        if (r < 0)
                return r;
        if (streq(path, target))
                return error_set(e, EINVAL, "it is a hard link to itself");
        dir_fd = enter(t, path, &name, e);
        if (dir_fd < 0)
                return dir_fd;
        target_fd = open_target_parent(t, target, e);
        if (target_fd < 0)
                return target_fd;
        if (!target[0] || fstatat(target_fd, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, ENOENT, "its link target '%.200s' is not in the tree", target);
        if (S_ISDIR(st.st_mode))
                return error_set(e, EISDIR, "its link target '%.200s' is a directory", target);

        while (linkat(target_fd, last, dir_fd, name, 0) < 0) {
                if (errno != EEXIST)
                        return error_set(e, errno, "cannot link it to '%.200s': %m", target);
                r = make_room(dir_fd, name, false, e);
                if (r < 0)
                        return r;
        }
        if (!ret_fd)
                return 0;

        int fd = S_ISREG(st.st_mode)
                         ? path_open_beneath(dir_fd, name, O_WRONLY | O_TRUNC | O_NOFOLLOW, 0)
                         : -EINVAL;
        if (fd < 0)
                return error_set(e, fd, "cannot write to '%.200s', which it links to: %m", target);
        *ret_fd = fd;
        return 0;
}

int tree_node(Tree *t, const char *path, mode_t type, dev_t device, const TreeMeta *m, Error *e) {
        const char *name;
        int dir_fd, r = refuse_root(path, e);

        if (r < 0)
                return r;
        if (!policy_takes_node(t->class, type, device)) {
                t->skipped.nodes++;
                return 0;
        }
        dir_fd = enter(t, path, &name, e);
        if (dir_fd < 0)
                return dir_fd;

        while (mknodat(dir_fd, name, type | (m->mode & 0777), device) < 0) {
                if (errno == EPERM && t->uid != 0) {
                        t->skipped.nodes++;
                        return 0;
                }
                if (errno != EEXIST)
                        return error_set(e, errno, "cannot make the node: %m");
                r = make_room(dir_fd, name, false, e);
                if (r < 0)
                        return r;
        }
        return finish_by_name(t, dir_fd, name, m, e);
}

/* A system of which only its owner may enter the root is of no use. */
static int chmod_root(const Tree *t) {
        _cleanup_fd_ int fd = openat(t->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -1 : fchmod(fd, 0755);
}

int tree_finish(Tree *t, Error *e) {
        const TreeMade made = { .uid = t->uid, .gid = t->gid, .mode = UINT32_MAX };

        leave_to(t, 0);
        if (!t->has_root && chmod_root(t) < 0)
                return error_set(e, errno, "cannot set the mode of the root of the tree: %m");
        for (size_t i = 0; i < t->n_directories; i++) {
                const Directory *d = t->directories + i;
                _cleanup_fd_ int fd = path_open_beneath(t->root_fd, d->path[0] ? d->path : ".",
                                                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

                /* Replaced by a later entry, and so no longer a directory of this name. */
                if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                        continue;
                int r = fd < 0 ? error_set(e, fd, "cannot open it: %m")
                               : tree_meta_apply(fd, t->class, &d->meta, &made, &t->skipped, e);
                if (r < 0)
                        return error_wrap(e, r, "directory '%.200s'", d->path);
        }
        return 0;
}
