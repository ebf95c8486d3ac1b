/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File descriptors: closing, reading and writing whole files, replacing a file in one step. */
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include "base/text.h"

/** fd_close() - close if valid. Return: -EBADF, to assign back. errno stays as it was. */
int fd_close(int fd);
DEFINE_CLEANUP(int, fd_close)
#define _cleanup_fd_ _cleanup_(fd_closep)

/** dir_close() - closedir() that takes NULL. Return: NULL. */
static inline DIR *dir_close(DIR *d) {
        if (d)
                (void) closedir(d);
        return NULL;
}
DEFINE_CLEANUP(DIR *, dir_close)
#define _cleanup_dir_ _cleanup_(dir_closep)

/** dir_take() - list an open directory, which it takes: closed with it, and on failure
 * @fd: may be negative, for what could not be opened and left errno; that is kept
 * Return: NULL and errno. */
DIR *dir_take(int fd);
/** dir_open_again() - list a directory from its beginning, whatever becomes of the descriptor
 * Return: NULL and errno. */
DIR *dir_open_again(int fd);

/** fd_read() - read up to @n bytes, past EINTR and short reads. Return: bytes read (less only at the
 * end) or -errno. */
ssize_t fd_read(int fd, void *data, size_t n);
/** fd_write_all() - write all of it, past EINTR and short writes; waits if @fd is non-blocking.
 * Return: 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t n);
/** fd_read_all() - read to the end
 * @max: refuse more than that many bytes with -EFBIG
 * Return: 0 and NUL-terminated text (length in @ret_n if not NULL), or -errno. */
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_n);
/** fd_copy() - copy to the end of @from, in the kernel where it can. Return: 0 or -errno. */
int fd_copy(int from, int to);

/** file_read() - read a small file relative to @dir_fd, following links as the kernel does
 * Regular files and kernel files only; a FIFO or a device is refused, never waited for.
 * @max: as in fd_read_all(). Return: 0 or -errno (-EINVAL: not a regular file). */
int file_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_n);
/** file_read_line() - first line of a small file, without its newline. Return: as file_read(). */
int file_read_line(int dir_fd, const char *path, char **ret);
/** file_write() - open with O_WRONLY|O_CLOEXEC and @flags, and write @text. For kernel files and for
 * new ones (O_CREAT|O_EXCL). Return: 0 or -errno. */
int file_write(int dir_fd, const char *path, const char *text, int flags, mode_t mode);
/** file_write_atomic() - replace @name in @dir_fd by a complete file: temporary name, then rename
 * Watchers see one IN_MOVED_TO. Nothing is left on failure. Return: 0 or -errno. */
int file_write_atomic(int dir_fd, const char *name, const char *data, size_t n, mode_t mode);

/** fd_set_nonblock() - set or clear O_NONBLOCK. Return: 0 or -errno. */
int fd_set_nonblock(int fd, bool on);
/** fd_set_cloexec() - set or clear FD_CLOEXEC. Return: 0 or -errno. */
int fd_set_cloexec(int fd, bool on);
/** fd_wait() - poll one descriptor for @events
 * @timeout_usec: longest wait in µs; UINT64_MAX = for ever
 * Return: revents (> 0), 0 timeout, -errno. */
int fd_wait(int fd, short events, uint64_t timeout_usec);
/** fd_close_range_except() - close all descriptors from 3 up but the @n in @keep.
 * Return: 0 or -errno. */
int fd_close_range_except(const int *keep, size_t n);
/** fd_unshare_except() - the same in a process made with CLONE_FILES, whose maker keeps all of them
 * Return: 0; -errno, and they may still be shared: nothing must be closed then. */
int fd_unshare_except(const int *keep, size_t n);
/** fd_path() - "/proc/self/fd/N" in a buffer of the caller's */
#define FD_PATH_MAX (sizeof("/proc/self/fd/") + 11)
const char *fd_path(int fd, char buffer[static FD_PATH_MAX]);
/** now_usec() - CLOCK_MONOTONIC in µs */
uint64_t now_usec(void);
