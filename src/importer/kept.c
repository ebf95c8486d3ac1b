/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kept downloads, see kept.h. How an image is cloned, and what else belongs to it, is the pool's affair. */
#include "importer/kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <unistd.h>

#include "base/path.h"
#include "image/clone.h"
#include "image/copy.h"
#include "image/layer.h"
#include "image/pool.h"
#include "image/subvolume.h"
#include "image/temporary.h"

#define N_HEX     32
#define URL       "user.skep.url"
#define ETAG      "user.skep.etag"
#define MODIFIED  "user.skep.modified"
#define VALUE_MAX 4097

void kept_done(Kept *k) {
        free(k->name);
        free(k->etag);
        free(k->modified);
        *k = (Kept){};
}

char *kept_name(const char *kind, const Digest *digest) {
        char hex[2 * DIGEST_SIZE_MAX + 1];

        return str_format(".%s-%.*s", kind, N_HEX, digest_format(digest, hex));
}

static bool is_own(const char *entry, const char *kind, size_t *ret_n) {
        const char *rest = entry[0] == '.' ? str_skip_prefix(entry + 1, kind) : NULL;

        if (!rest || *rest != '-' || strspn(rest + 1, "0123456789abcdef") != N_HEX)
                return false;
        rest += 1 + N_HEX;
        *ret_n = (size_t) (rest - entry);
        return streq(rest, streq(kind, "raw") ? ".raw" : "");
}

/* Return: 0 and the value, NULL if there is none; -ENOMEM. */
static int get(int fd, const char *attribute, char **ret) {
        char value[VALUE_MAX];
        ssize_t n = fgetxattr(fd, attribute, value, sizeof value - 1);

        *ret = NULL;
        if (n <= 0 || memchr(value, '\0', (size_t) n))
                return 0;
        *ret = strndup(value, (size_t) n);
        return *ret ? 0 : -ENOMEM;
}

/* Return: 1 it is from there; 0 it is not; -errno. */
static int read_marks(int dir_fd, const char *entry, const char *url, Kept *ret) {
        _cleanup_fd_ int fd = openat(dir_fd, entry, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        _cleanup_free_ char *from = NULL;
        int r = fd < 0 ? -errno : get(fd, URL, &from);

        if (r < 0 || !streq_ptr(from, url))
                return r;
        r = get(fd, ETAG, &ret->etag);
        if (r >= 0)
                r = get(fd, MODIFIED, &ret->modified);
        return r < 0 ? r : 1;
}

static int look_at(int dir_fd, const char *entry, size_t n, const char *wanted, const char *url,
                   Kept *ret) {
        _cleanup_(kept_done) Kept k = { .name = strndup(entry, n) };
        int r = !k.name  ? -ENOMEM
                : wanted ? streq(k.name, wanted)
                         : read_marks(dir_fd, entry, url, &k);

        if (r > 0) {
                *ret = k;
                k = (Kept){};
        }
        return r;
}

int kept_find(const char *root, const char *kind, const Digest *digest, const char *url, Kept *ret,
              Error *e) {
        _cleanup_free_ char *wanted = digest ? kept_name(kind, digest) : NULL;
        _cleanup_dir_ DIR *dir = opendir(root);
        int r = 0;

        if (digest && !wanted)
                return error_oom(e);
        if (!dir)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot read '%s': %m", root);
        for (struct dirent *d; r == 0 && (d = readdir(dir));) {
                size_t n;
                if (is_own(d->d_name, kind, &n))
                        r = look_at(dirfd(dir), d->d_name, n, wanted, url, ret);
                if (r == -ENOENT)
                        r = 0;
        }
        return r < 0 ? error_set(e, r, "cannot look for kept downloads in '%s': %m", root) : r;
}

int kept_mark(int fd, const char *url, const char *etag, const char *modified, Error *e) {
        const char *const marks[][2] = { { URL, url }, { ETAG, etag }, { MODIFIED, modified } };

        for (size_t i = 0; i < ELEMENTSOF(marks); i++)
                if (fsetxattr(fd, marks[i][0], marks[i][1], strlen(marks[i][1]), 0) < 0)
                        return error_set(e, errno, "cannot mark a download as kept: %m");
        return 0;
}

bool kept_can_share(const char *root) {
        _cleanup_fd_ int a = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        _cleanup_fd_ int b = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        return a >= 0 && b >= 0 && pwrite(a, "x", 1, 0) == 1 && ioctl(b, FICLONE, a) >= 0;
}

static void note_copy(const ImportJob *job, Output *o) {
        output_note(o, LOG_NOTICE, "'%s' is copied: the file system of %s cannot share data",
                    job->name, job->root);
}

static int fill_disk(const ImportJob *job, Staging *s, const Image *kept, Output *o, Error *e) {
        _cleanup_fd_ int from = open(kept->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        int r;

        if (from < 0 || fstat(from, &st) < 0)
                return error_set(e, errno, "cannot open '%s': %m", kept->path);
        if (!kept_can_share(job->root))
                note_copy(job, o);
        r = copy_file(from, s->fd);
        if (r >= 0 && fchmod(s->fd, 0644) < 0)
                r = -errno;
        if (r >= 0 && job->staging.sync && fsync(s->fd) < 0)
                r = -errno;
        return r < 0 ? error_set(e, r, "cannot copy '%s': %m", kept->path) : 0;
}

/* A snapshot, a layer, or a copy. Return: a descriptor that holds its lock; -errno. */
static int make_tree(const ImportJob *job, const Staging *s, const char *temp, const Image *kept,
                     Output *o, const char **ret_suffix, Error *e) {
        bool shares = kept_can_share(job->root);

        if (!shares && !job->staging.read_only && kept->type == IMAGE_DIRECTORY) {
                int fd = layer_make(kept, s->pool_fd, temp, e);
                if (fd >= 0)
                        *ret_suffix = ".mstack";
                if (fd != -EROFS && fd != -EOPNOTSUPP)
                        return fd;
        }
        if (!shares && kept->type != IMAGE_SUBVOLUME)
                note_copy(job, o);
        _cleanup_fd_ int from = open(kept->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return from < 0 ? error_set(e, errno, "cannot open '%s': %m", kept->path)
                        : clone_tree(from, s->pool_fd, temp, false, e);
}

static int fill_tree(const ImportJob *job, Staging *s, const Image *kept, Output *o, Error *e) {
        _cleanup_free_ char *temp = NULL;
        const char *suffix = NULL;
        int r = temporary_name(job->name, &temp);

        if (r < 0)
                return error_set(e, r, "cannot make a temporary name: %m");
        int fd = make_tree(job, s, temp, kept, o, &suffix, e);
        if (fd < 0) {
                (void) tree_remove(s->pool_fd, temp);
                return fd;
        }
        staging_take(s, TAKE_PTR(temp), fd, suffix);
        return job->staging.sync && syncfs(s->pool_fd) < 0
                       ? error_set(e, errno, "cannot write '%s' to disk: %m", job->root)
                       : 0;
}

static int fill(const ImportJob *job, Staging *staging, int cancel_fd, Output *o, Error *e) {
        const Image *kept = job->context;

        (void) cancel_fd;
        return job->staging.is_disk ? fill_disk(job, staging, kept, o, e)
                                    : fill_tree(job, staging, kept, o, e);
}

int kept_use(const ImportJob *job, const Kept *k, Output *o, Error *e) {
        _cleanup_image_ Image *kept = NULL;
        ImportJob use = *job;
        int r;

        /* What this process does, it does in this directory. */
        if (setenv("SKEP_POOL", job->root, 1) < 0)
                return error_oom(e);
        r = pool_get(k->name, &kept, e);
        if (r < 0)
                return r;
        use.fill = fill;
        use.finish = NULL;
        use.unwrap = false;
        use.context = kept;
        return import_run(&use, o, e);
}
