/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image locks. Two files at most hold one lock: one beside the image, for pools that several hosts
 * share, and one below /run named after the inode, so that every path to one image meets in it. Files
 * are locked with open file description locks; who could have it alone removes it on the way out. */
#include "image/lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/home.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "image/image.h"

#define LOCK_TRIES 3 /* one a millisecond */

typedef struct LockFile {
        int fd;
        bool exclusive;
        char *path;
} LockFile;

struct ImageLock {
        LockFile local;
        LockFile global;
};

static int lock_fd(int fd, bool exclusive) {
        struct flock fl = {
                .l_type = exclusive ? F_WRLCK : F_RDLCK,
                .l_whence = SEEK_SET,
        };

        return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

static void lock_file_done(LockFile *f) {
        if (f->fd >= 0 && (f->exclusive || lock_fd(f->fd, true) >= 0))
                (void) unlink(f->path);
        f->fd = fd_close(f->fd);
        free(f->path);
        f->path = NULL;
}

ImageLock *image_lock_free(ImageLock *l) {
        if (l) {
                lock_file_done(&l->global);
                lock_file_done(&l->local);
                free(l);
        }
        return NULL;
}

static ImageLock *lock_new(void) {
        ImageLock *l = calloc(1, sizeof(*l));

        if (l)
                l->local.fd = l->global.fd = -EBADF;
        return l;
}

/* Who lets go, or clears away what the dead left, has it alone for a moment: that is not busy yet. */
static int lock_fd_patiently(int fd, bool exclusive) {
        for (unsigned i = 0;; i++) {
                int r = lock_fd(fd, exclusive);
                if ((r != -EAGAIN && r != -EACCES) || i == LOCK_TRIES)
                        return r;
                (void) usleep(1000);
        }
}

/* Return: 0; IMAGE_LOCK_BUSY; -errno. */
static int lock_file_open(LockFile *f, const char *path, bool exclusive) {
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;

        for (;;) {
                _cleanup_fd_ int fd = open(path,
                                           O_CREAT | O_RDWR | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                                           0600);
                struct stat st;
                int r;

                if (fd < 0)
                        return -errno;
                r = lock_fd_patiently(fd, exclusive);
                if (r == -EAGAIN || r == -EACCES)
                        return IMAGE_LOCK_BUSY;
                if (r < 0)
                        return r;

                /* Its last owner may have removed it between our open and our lock: then this file
                 * means nothing to anybody. */
                if (fstat(fd, &st) < 0)
                        return -errno;
                if (st.st_nlink == 0)
                        continue;

                *f = (LockFile){ .fd = TAKE_FD(fd),
                                 .exclusive = exclusive,
                                 .path = TAKE_PTR(copy) };
                return 0;
        }
}

/* IMAGE_LOCK_DIR, or the same of a user. */
#define LOCKS "systemd/nspawn/locks"

static bool locks_are_off(void) {
        const char *s = secure_getenv("SYSTEMD_NSPAWN_LOCK");
        bool on;

        return s && parse_bool(s, &on) >= 0 && !on;
}

/* Name of the lock file below /run; NULL = @path is nothing that has one. Return: 0 or -errno. */
static int global_path(const char *path, char **ret) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        if (S_ISBLK(st.st_mode))
                *ret = home_run(LOCKS "/block-%u:%u", major(st.st_rdev), minor(st.st_rdev));
        else if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
                *ret = home_run(LOCKS "/inode-%ju:%ju", (uintmax_t) st.st_dev,
                                (uintmax_t) st.st_ino);
        else
                return -ENOTTY;
        return *ret ? 0 : -ENOMEM;
}

static char *local_path(const char *path) {
        const char *last = path_last(path);

        return str_format("%.*s.#%s.lck", (int) (last - path), path, last);
}

static int lock_below_run(LockFile *f, const char *path, bool exclusive) {
        int r = lock_file_open(f, path, exclusive);

        if (r != -ENOENT)
                return r;
        _cleanup_free_ char *above = home_run("systemd/nspawn"), *directory = home_run(LOCKS);
        if (!above || !directory)
                return -ENOMEM;
        r = path_mkdirs(above, 0755);
        if (r >= 0 && mkdir(directory, 0700) < 0 && errno != EEXIST)
                r = -errno;
        return r < 0 ? r : lock_file_open(f, path, exclusive);
}

int image_lock(const char *path, bool exclusive, ImageLock **ret, Error *e) {
        _cleanup_image_lock_ ImageLock *l = NULL;
        _cleanup_free_ char *global = NULL, *local = NULL;
        int r;

        if (!path_is_safe(path))
                return error_set(e, EINVAL, "'%s' is not an absolute path", path);
        if (locks_are_off() || (streq(path, "/") && !exclusive)) {
                *ret = NULL;
                return 0;
        }
        if (streq(path, "/"))
                return IMAGE_LOCK_BUSY;

        if (!(l = lock_new()) || !(local = local_path(path)))
                return error_oom(e);
        r = global_path(path, &global);
        if (r < 0)
                return error_set(e, r, "cannot lock '%s': %m", path);

        if (!path_is_below(path, "/dev")) {
                r = lock_file_open(&l->local, local, exclusive);
                if (r == IMAGE_LOCK_BUSY)
                        return r;
                /* Nobody writes to what lies on a read-only file system. */
                if (r < 0 && (exclusive || r != -EROFS))
                        return error_set(e, r, "cannot lock '%s': %m", local);
        }

        r = lock_below_run(&l->global, global, exclusive);
        if (r < 0)
                return error_set(e, r, "cannot lock '%s': %m", global);
        if (r == 0)
                *ret = TAKE_PTR(l);
        return r;
}

int image_lock_name(const char *name, ImageLock **ret, Error *e) {
        _cleanup_image_lock_ ImageLock *l = NULL;
        int r;

        if (!image_name_is_valid(name))
                return error_set(e, EINVAL, "image name '%s' is not valid", name);
        if (streq(name, IMAGE_HOST_NAME))
                return IMAGE_LOCK_BUSY;
        if (locks_are_off()) {
                *ret = NULL;
                return 0;
        }

        _cleanup_free_ char *path = home_run(LOCKS "/name-%s", name);
        if (!path || !(l = lock_new()))
                return error_oom(e);

        r = lock_below_run(&l->global, path, true);
        if (r < 0)
                return error_set(e, r, "cannot lock '%s': %m", path);
        if (r == 0)
                *ret = TAKE_PTR(l);
        return r;
}

void image_lock_fds(const ImageLock *l, int ret[static 2]) {
        ret[0] = l ? l->local.fd : -EBADF;
        ret[1] = l ? l->global.fd : -EBADF;
}
