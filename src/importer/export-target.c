/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of exports, see export-target.h. Knows no format. */
#include "importer/export-target.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/sign.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "image/temporary.h"

#define FILE_MODE 0600 /* what is in an image is its owner's business */

static int open_output(ExportTarget *t, Error *e) {
        struct stat st;

        if (fstat(STDOUT_FILENO, &st) < 0)
                return error_set(e, errno, "there is no standard output: %m");
        if (S_ISCHR(st.st_mode) && isatty(STDOUT_FILENO))
                return error_set(e, EINVAL,
                                 "an image is not written to a terminal: give it a file");
        t->shown = "standard output";
        t->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return t->fd < 0 ? error_set(e, errno, "cannot keep standard output open: %m") : 0;
}

static char *temporary_path(const char *path) {
        _cleanup_free_ char *name = NULL;

        if (temporary_name("export", &name) < 0)
                return NULL;
        return str_format("%.*s%s", (int) (path_last(path) - path), path, name);
}

/* Removes what exports that were killed have left here: files of ours that nobody holds. Of those of others, and where
 * it cannot be done, nothing is said. */
static void sweep(const char *directory) {
        _cleanup_dir_ DIR *d = opendir(directory);

        for (struct dirent *de; d && (de = readdir(d));) {
                if (!temporary_name_is_own(de->d_name))
                        continue;
                _cleanup_fd_ int fd = openat(dirfd(d), de->d_name,
                                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                struct stat st;

                if (fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) &&
                    st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) >= 0)
                        (void) unlinkat(dirfd(d), de->d_name, 0);
        }
}

static int open_file(ExportTarget *t, Error *e) {
        const char *last = path_last(t->path);
        _cleanup_free_ char *directory = str_format("%.*s.", (int) (last - t->path), t->path);

        if (!directory)
                return error_oom(e);
        if (!last[0])
                return error_set(e, EINVAL, "'%s' is no name for a file", t->path);
        if (!t->force && faccessat(AT_FDCWD, t->path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return error_set(e, EEXIST, "'%s' exists already", t->path);
        sweep(directory);
        t->fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, FILE_MODE);
        if (t->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
                t->temporary = temporary_path(t->path);
                if (!t->temporary)
                        return error_oom(e);
                t->fd = open(t->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                             FILE_MODE);
        }
        if (t->fd < 0)
                return error_set(e, errno, "cannot make '%s': %m", t->path);
        if (flock(t->fd, LOCK_EX | LOCK_NB) < 0)
                return error_set(e, errno, "cannot lock '%s': %m", t->path);
        room_look(t->fd, directory, &t->room);
        return 0;
}

int export_target_open(const char *path, bool force, ExportTarget *ret, Error *e) {
        _cleanup_(export_target_done) ExportTarget t = {
                .shown = path, .fd = -EBADF, .force = force, .room = { .free = ROOM_UNKNOWN }
        };
        int r;

        if (streq(path, "-"))
                r = open_output(&t, e);
        else {
                t.path = strdup(path);
                r = t.path ? open_file(&t, e) : error_oom(e);
        }
        if (r < 0)
                return r;
        *ret = t;
        t = (ExportTarget){ .fd = -EBADF };
        return 0;
}

static int link_file(const ExportTarget *t, const char *path) {
        char buffer[FD_PATH_MAX];

        return linkat(AT_FDCWD, fd_path(t->fd, buffer), AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* Gives what has no name one that can be renamed. */
static int link_temporary(ExportTarget *t) {
        t->temporary = temporary_path(t->path);
        if (!t->temporary)
                return -ENOMEM;
        return link_file(t, t->temporary) < 0 ? -errno : 0;
}

int export_target_commit(ExportTarget *t, bool sync, Error *e) {
        int r = 0;

        if (sync && fsync(t->fd) < 0 && errno != EINVAL && errno != EROFS)
                return error_set(e, errno, "cannot write '%s' to the disk: %m", t->shown);
        if (!t->path)
                return 0;
        if (!t->temporary && link_file(t, t->path) >= 0)
                return 0;
        if (!t->temporary)
                r = errno == EEXIST && t->force ? link_temporary(t) : -errno;
        if (r >= 0 && renameat2(AT_FDCWD, t->temporary, AT_FDCWD, t->path,
                                t->force ? 0 : RENAME_NOREPLACE) < 0)
                r = -errno;
        if (r < 0)
                return error_set(e, r,
                                 r == -EEXIST ? "'%s' exists already" : "cannot name '%s': %m",
                                 t->path);
        free(t->temporary);
        t->temporary = NULL;
        return 0;
}

int export_target_check_room(const ExportTarget *t, uint64_t need, Error *e) {
        int r = room_check(&t->room, need, e);

        return r < 0 ? error_wrap(e, r, "'%s'", t->shown) : 0;
}

static int write_beside(const ExportTarget *t, const char *suffix, const void *data, size_t n,
                        Error *e) {
        _cleanup_free_ char *path = str_format("%s%s", t->path, suffix);

        if (!path)
                return error_oom(e);
        int r = file_write_atomic(AT_FDCWD, path, data, n, FILE_MODE);
        return r < 0 ? error_set(e, r, "cannot write '%s': %m", path) : 0;
}

static int write_seal(const ExportTarget *t, const ExportSeal *seal, const Buf *line,
                      const char *signature, size_t n, Error *e) {
        int r;

        if (!t->path) {
                r = fd_write_all(seal->checksum_fd, line->p, line->n);
                return r < 0 ? error_set(e, r, "cannot write the checksum: %m") : 0;
        }
        r = write_beside(t, ".sha256", line->p, line->n, e);
        return r < 0 || !signature ? r : write_beside(t, ".sha256.asc", signature, n, e);
}

int export_target_finish(ExportTarget *t, const ExportSeal *seal, const Digest *d, bool sync,
                         Error *e) {
        char digits[2 * DIGEST_SIZE_MAX + 1];
        _cleanup_(buf_done) Buf line = {};
        _cleanup_free_ char *signature = NULL;
        size_t n = 0;
        int r = 0;

        if (d && buf_printf(&line, "%s *%s\n", digest_format(d, digits),
                            t->path ? path_last(t->path) : seal->name) < 0)
                return error_oom(e);
        if (d && seal->sign)
                r = sign_detached(line.p, line.n, seal->sign, &signature, &n, e);
        if (r >= 0)
                r = export_target_commit(t, sync, e);
        return r < 0 || !d ? r : write_seal(t, seal, &line, signature, n, e);
}

void export_target_done(ExportTarget *t) {
        if (t->temporary)
                (void) unlink(t->temporary);
        free(t->temporary);
        free(t->path);
        (void) fd_close(t->fd);
        *t = (ExportTarget){ .fd = -EBADF };
}
