/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes a file tree below one directory and nowhere else, entry by entry. Paths are walked name by name
 * from directories that were opened before; no symlink is ever followed. Later entries replace earlier
 * ones, but the root stays, and a directory that has something in it is replaced by a directory only. */
#pragma once

#include <sys/stat.h>

#include "base/error.h"
#include "importer/image-class.h"

typedef struct Tree Tree;

typedef struct TreeXattr {
        char *name;
        void *value;
        size_t size;
} TreeXattr;

/* What an entry has besides its name and content. */
typedef struct TreeMeta {
        mode_t mode; /* permission bits with setuid, setgid and sticky */
        uid_t uid;
        gid_t gid;
        struct timespec mtime;
        TreeXattr *xattrs;
        size_t n_xattrs;
} TreeMeta;

/* What was left out, for a note to the user. */
typedef struct TreeSkipped {
        uint64_t nodes;  /* devices */
        uint64_t owners; /* of what nobody but root could give away */
        uint64_t modes;  /* setuid and setgid */
        uint64_t xattrs; /* attributes of other name spaces, or that the file system cannot keep */
        uint64_t acls;   /* ACL entries with a name in place of a number */
} TreeSkipped;

void tree_meta_done(TreeMeta *m);
/** tree_meta_add_xattr() - add one extended attribute; both parts are copied. Return: 0 or -ENOMEM. */
int tree_meta_add_xattr(TreeMeta *m, const char *name, const void *value, size_t size);

/** tree_new() - start below @root_fd, which is borrowed and has to be an empty directory
 * What is left out depends on @class, see policy.h.
 * The caller's umask must be 0. Return: 0 or -errno. */
int tree_new(int root_fd, ImageClass class, Tree **ret, Error *e);
Tree *tree_free(Tree *t);
DEFINE_CLEANUP(Tree *, tree_free)

/* In all of these @path comes from entry_path_clean(), and errors do not name the entry. */

/** tree_directory() - make a directory, or give an existing one other metadata
 * The metadata is applied by tree_finish(). @m: taken over and left empty. Return: 0 or -errno. */
int tree_directory(Tree *t, const char *path, TreeMeta *m, Error *e);
/** tree_file() - create a regular file
 * @ret_fd: open for writing, the caller's; goes to tree_file_done() when the content is there
 * Return: 0 or -errno. */
int tree_file(Tree *t, const char *path, const TreeMeta *m, int *ret_fd, Error *e);
/** tree_file_done() - apply a file's metadata. @fd stays open. Return: 0 or -errno. */
int tree_file_done(Tree *t, int fd, const TreeMeta *m, Error *e);
/** tree_symlink() - create a symbolic link; @target is text and not looked at. Return: 0 or -errno. */
int tree_symlink(Tree *t, const char *path, const char *target, const TreeMeta *m, Error *e);
/** tree_hardlink() - link to a file that is in the tree already
 * @target: as @path, found without following symlinks
 * @ret_fd: if not NULL, the file, opened for writing and truncated, for archives that bring the content
 * with the link. Return: 0 or -errno. */
int tree_hardlink(Tree *t, const char *path, const char *target, int *ret_fd, Error *e);
/** tree_node() - create a FIFO, a socket or a device
 * Of devices only those that policy.h has; others are left out and counted. @type: S_IFIFO, S_IFSOCK, S_IFCHR or S_IFBLK. Return: 0 or -errno. */
int tree_node(Tree *t, const char *path, mode_t type, dev_t device, const TreeMeta *m, Error *e);
/** tree_finish() - apply the metadata of directories. Return: 0 or -errno, naming the directory. */
int tree_finish(Tree *t, Error *e);
/** tree_skipped() - what was left out so far */
const TreeSkipped *tree_skipped(const Tree *t);

/* What a file has right after we created it, so that nothing is set that is so already. */
typedef struct TreeMade {
        uid_t uid;
        gid_t gid;
        mode_t mode;
} TreeMade;

/** tree_meta_apply() - owner, mode, extended attributes, time, in the order in which none undoes another
 * Return: 0 or -errno. */
int tree_meta_apply(int fd, ImageClass class, const TreeMeta *m, const TreeMade *made,
                    TreeSkipped *skipped, Error *e);
