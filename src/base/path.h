/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths: as text, and as places below a root that must not be left. Whatever lies inside an image is
 * reached only through the *_in_root() functions here: the kernel resolves every symlink as if the
 * given directory were "/". */
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/fd.h"

/** path_is_absolute_clean() - absolute, no "." or ".." components, no "//", no trailing slash but "/" */
bool path_is_absolute_clean(const char *path);
/** path_is_safe() - absolute and without ".." components, shorter than PATH_MAX */
bool path_is_safe(const char *path);
/** path_clean() - drop "//", "/./" and trailing slashes; ".." is left alone
 * Return: a new string; NULL = out of memory. */
char *path_clean(const char *path);
/** path_join() - "@a/@b" with exactly one slash between; NULL = out of memory */
char *path_join(const char *a, const char *b);
/** path_absolute() - @path against the working directory, cleaned. Return: 0 or -errno. */
int path_absolute(const char *path, char **ret);
/** path_is_below() - whether @path is @dir or lies below it; both cleaned */
bool path_is_below(const char *path, const char *dir);
/** path_last() - the last component, within @path; "" for "/" */
const char *path_last(const char *path);

/** path_open_in_root() - open @path as if @root_fd were "/"
 * Symlinks and ".." stay inside, magic links are refused.
 * @flags:  open flags; O_CLOEXEC is added
 * @mode:   for O_CREAT
 * Return: a descriptor or -errno. */
int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode);
/** path_open_beneath() - open a relative @path below @dir_fd following no symlink at all
 * Return: a descriptor; -ELOOP if a component is a symlink; other -errno. */
int path_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
/** path_open_regular_in_root() - open a regular file inside a root for reading
 * Nothing else is ever opened: a device of the image could do things by that alone. Takes a /proc.
 * Return: a descriptor; -EISDIR; -EINVAL for what is neither file nor directory; -errno. */
int path_open_regular_in_root(int root_fd, const char *path);
/** path_read_in_root() - file_read() inside a root: regular files only, at most @max bytes */
int path_read_in_root(int root_fd, const char *path, size_t max, char **ret, size_t *ret_n);
/** path_mkdirs_in_root() - make @path and its parents inside a root
 * Existing directories stay as they are; symlinks to directories are followed inside the root.
 * @mode, @uid, @gid: of the directories that are made; uid/gid -1 = the caller's
 * Return: an O_PATH descriptor of the last one, or -errno. */
int path_mkdirs_in_root(int root_fd, const char *path, mode_t mode, uid_t uid, gid_t gid);
/** path_mkdirs() - mkdir -p on the host. Return: 0 or -errno. */
int path_mkdirs(const char *path, mode_t mode);
/** path_remove_tree() - remove @name in @dir_fd and everything below it on the same file system
 * Clears immutable flags on the way. Mount points are not entered (-EBUSY).
 * Return: 0 (also when it was not there) or the first -errno; goes on past failures. */
int path_remove_tree(int dir_fd, const char *name);
