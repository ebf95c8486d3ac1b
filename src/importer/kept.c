/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kept downloads, see kept.h. How an image is cloned, and what else belongs to it, is the pool's affair. */
#include "importer/kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <unistd.h>

#include "base/path.h"
#include "image/clone.h"
#include "image/pool.h"

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

/* Whether files in a directory can share their data. */
static bool can_share(const char *root) {
        _cleanup_fd_ int a = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        _cleanup_fd_ int b = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        return a >= 0 && b >= 0 && pwrite(a, "x", 1, 0) == 1 && ioctl(b, FICLONE, a) >= 0;
}

static int clone(const Image *i, const char *root, const char *name, bool read_only, Output *o,
                 Error *e) {
        bool shares = can_share(root);
        int r;

        if (!shares && !read_only && i->type == IMAGE_DIRECTORY) {
                r = image_clone(i, name, IMAGE_CLONE_LAYER, e);
                if (r != -EROFS && r != -EOPNOTSUPP)
                        return r;
        }
        if (!shares && i->type != IMAGE_SUBVOLUME)
                output_note(o, LOG_NOTICE,
                            "'%s' is copied: the file system of %s cannot share data", name, root);
        return image_clone(i, name, read_only ? IMAGE_CLONE_READ_ONLY : 0, e);
}

/* Settings that came with the new one take the place of those that came with the old one, or are in the pool for
 * another reason; those in /etc/systemd/nspawn are left alone. */
static int remove_settings(const char *root, const char *fresh, const char *name, Error *e) {
        _cleanup_free_ char *from = str_format("%s/%s.nspawn", root, fresh);
        _cleanup_free_ char *to = str_format("%s/%s.nspawn", root, name);

        if (!from || !to)
                return error_oom(e);
        if (access(from, F_OK) >= 0 && unlink(to) < 0 && errno != ENOENT)
                return error_set(e, errno, "cannot replace '%s': %m", to);
        return 0;
}

/* Makes the new one first, under a name that is hidden: what is to be replaced is gone only when there is what replaces
 * it. Who is killed leaves a hidden image, which goes when the pool is cleaned. */
static int replace(const Image *kept, const Image *old, const char *root, bool read_only, Output *o,
                   Error *e) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_image_ Image *fresh = NULL;
        uint64_t random;

        if (getrandom(&random, sizeof random, 0) != sizeof random)
                return error_set(e, errno, "there are no random numbers: %m");
        temporary = str_format(".new-%016jx", (uintmax_t) random);
        if (!temporary)
                return error_oom(e);
        int r = clone(kept, root, temporary, read_only, o, e);
        if (r >= 0)
                r = pool_get(temporary, &fresh, e);
        if (r >= 0)
                r = image_remove(old, IMAGE_KEEP_SETTINGS, NULL, e);
        if (r >= 0)
                r = remove_settings(root, temporary, old->name, e);
        if (r >= 0)
                return image_rename(fresh, old->name, NULL, e);
        if (fresh)
                (void) image_remove(fresh, 0, NULL, NULL);
        return r;
}

int kept_use(const char *root, const Kept *k, const char *name, bool force, bool read_only,
             Output *o, Error *e) {
        _cleanup_image_ Image *kept = NULL, *old = NULL;
        int r = 0;

        /* What this process does, it does in this directory. */
        if (setenv("SKEP_POOL", root, 1) < 0)
                return error_oom(e);
        r = pool_get(k->name, &kept, e);
        if (r >= 0)
                r = pool_find(name, &old, e);
        if (r < 0)
                return r;
        return old && force ? replace(kept, old, root, read_only, o, e)
                            : clone(kept, root, name, read_only, o, e);
}
