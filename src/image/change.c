/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes images as they lie on disk, under the image's exclusive lock, as one transaction over the image and all
 * that belongs to it. */
#include "image/change.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "image/companion.h"
#include "image/layer.h"
#include "image/pool.h"
#include "image/subvolume.h"
#include "image/temporary.h"
#include "image/versions.h"

/* How long to wait for a lock that somebody is about to let go of. */
#define PATIENCE_USEC (UINT64_C(400) * 1000)

static int check_changeable(const Image *i, Error *e) {
        if (image_is_host(i))
                return error_set(e, EROFS, "'%s' is the running system", i->name);
        if (image_is_vendor(i) || (i->directory && path_is_below(i->directory, "/usr")))
                return error_set(e, EROFS, "image '%s' belongs to the installed system ('%s')",
                                 i->name, i->path);
        if (!i->directory || !i->entry)
                return error_set(e, EOPNOTSUPP, "'%s' is not an entry of the pool", i->path);
        return 0;
}

/* Who has just heard that a machine is gone may be faster than the process that looked after it. */
static int lock_exclusive(const Image *i, const char *path, ImageLock **ret, Error *e) {
        uint64_t until = now_usec() + PATIENCE_USEC;
        int r;

        while ((r = image_lock(path, true, ret, e)) == IMAGE_LOCK_BUSY && now_usec() < until)
                (void) usleep(PATIENCE_USEC / 20);
        return r == IMAGE_LOCK_BUSY ? error_set(e, EBUSY, "image '%s' is in use", i->name) : r;
}

static int set_immutable(const char *path, bool on) {
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int flags;

        if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return -errno;
        int changed = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        return changed != flags && ioctl(fd, FS_IOC_SETFLAGS, &changed) < 0 ? -errno : 0;
}

/* Whether the top directory has the immutable flag; without it there can be no rename. */
static bool is_immutable(const char *path) {
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int flags;

        return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) >= 0 && (flags & FS_IMMUTABLE_FL);
}

void image_hold_done(ImageHold *l) {
        for (size_t i = 0; i < l->n; i++)
                (void) image_lock_free(l->items[i]);
        free(l->items);
        *l = (ImageHold){};
}

static int locks_take(ImageHold *l, const Image *i, const char *path, Error *e) {
        ImageLock **p = reallocarray(l->items, l->n + 1, sizeof(*p));

        if (!p)
                return error_oom(e);
        l->items = p;
        int r = lock_exclusive(i, path, p + l->n, e);
        l->n += r >= 0;
        return r;
}

static char *place_of(const Image *i) {
        return path_join(i->directory, i->entry);
}

/* Names of the versions in an image that is a folder of them. */
static int list_versions(const Image *i, char ***ret, Error *e) {
        _cleanup_free_ char *place = place_of(i), *suffix = strdup(image_suffix(i));
        _cleanup_fd_ int fd = place ? open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;

        if (!place || !suffix)
                return error_oom(e);
        suffix[strlen(suffix) - strlen(VERSIONS_SUFFIX)] = '\0';
        int r = fd < 0 ? -errno : versions_list(fd, i->name, suffix, ret);
        return r < 0 ? error_set(e, r, "cannot list '%s': %m", place) : 0;
}

static int lock_versions(ImageHold *l, const Image *i, Error *e) {
        _cleanup_strv_ char **entries = NULL;
        int r = list_versions(i, &entries, e);

        STRV_FOREACH(entry, entries) {
                _cleanup_free_ char *path = str_format("%s/%s/%s", i->directory, i->entry, *entry);
                _cleanup_free_ char *real = path ? realpath(path, NULL) : NULL;

                if (r >= 0 && real)
                        r = locks_take(l, i, real, e);
        }
        return r;
}

int image_hold(const Image *i, ImageHold *l, Error *e) {
        int r = check_changeable(i, e);

        if (r < 0)
                return r;
        return i->is_versioned ? lock_versions(l, i, e) : locks_take(l, i, i->path, e);
}

/* Moves the entry itself. What goes with it follows while it has a name that is no image's, so that nobody
 * finds it without its root hash. */
static int plan_entry(Transaction *t, const Image *i, const char *to, bool keep_mark, Error *e) {
        _cleanup_free_ char *from = place_of(i);

        if (!from)
                return error_oom(e);
        int r = transaction_move(t, from, to, e);
        if (r == 0)
                return error_set(e, ENOENT, "there is no '%s' any more", from);
        if (r > 0)
                t->steps[t->n - 1].is_immutable = keep_mark && is_immutable(from);
        return MIN(r, 0);
}

static char *hidden_place(const Image *i) {
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return NULL;
        return str_format("%s/" TRANSACTION_HOLD "%016jx", i->directory, (uintmax_t) random);
}

static int plan_remove(const Image *i, ImageFlags flags, const char *aside, Transaction *t,
                       Error *e) {
        int r = plan_entry(t, i, aside, false, e);

        if (r >= 0)
                r = companions_remove(i->directory, i->name, flags & IMAGE_KEEP_SETTINGS, t, e);
        return r;
}

static int check_removable(const Image *i, Error *e) {
        if (i->type == IMAGE_BLOCK && !i->is_link && !i->is_versioned)
                return error_set(e, EOPNOTSUPP, "'%s' is a device, which cannot be removed",
                                 i->path);
        return i->is_link ? 0 : layers_check_unused(i, e);
}

int image_plan_remove(const Image *i, ImageFlags flags, Transaction *ret, Error *e) {
        _cleanup_(transaction_done) Transaction t = {};
        _cleanup_(image_hold_done) ImageHold locks = {};
        int r = image_hold(i, &locks, e);

        if (r >= 0)
                r = check_removable(i, e);
        _cleanup_free_ char *place = r < 0 ? NULL : place_of(i);
        if (r >= 0 && !place)
                return error_oom(e);
        if (r >= 0)
                r = transaction_remove(&t, place, e);
        if (r >= 0)
                r = companions_remove(i->directory, i->name, flags & IMAGE_KEEP_SETTINGS, &t, e);
        if (r < 0)
                return r;
        *ret = t;
        t = (Transaction){};
        return 0;
}

int image_remove(const Image *i, ImageFlags flags, bool *ret_units, Error *e) {
        _cleanup_free_ char *temporary = NULL, *aside = NULL;
        _cleanup_(transaction_done) Transaction t = {};
        _cleanup_(image_hold_done) ImageHold locks = {};
        _cleanup_fd_ int dir_fd = -EBADF;
        int r = image_hold(i, &locks, e);

        if (r >= 0)
                r = check_removable(i, e);
        if (r < 0)
                return r;
        r = temporary_name(i->name, &temporary);
        if (r < 0 || !(aside = path_join(i->directory, temporary)))
                return error_set(e, r < 0 ? r : ENOMEM, "cannot make a temporary name: %m");
        dir_fd = open(i->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", i->directory);
        r = plan_remove(i, flags, aside, &t, e);
        if (r >= 0)
                r = transaction_commit(&t, i->directory, e);
        if (ret_units)
                *ret_units = companions_touch_units(&t);
        if (r < 0)
                return r;
        r = tree_remove(dir_fd, temporary);
        return r < 0 ? error_set(e, r, "cannot remove all of image '%s', the rest is '%s': %m",
                                 i->name, aside)
                     : 0;
}

int image_reserve_name(const char *name, ImageLock **ret, Error *e) {
        _cleanup_image_ Image *other = NULL;
        int r;

        r = image_lock_name(name, ret, e);
        if (r == IMAGE_LOCK_BUSY)
                return error_set(e, EBUSY, "the name '%s' is in use", name);
        if (r < 0)
                return r;

        r = pool_find(name, &other, e);
        return r > 0 ? error_set(e, EEXIST, "there is an image '%s' already", name) : r;
}

/* Hashes of a disk, and the like, lie beside the version that they are of. */
static int plan_beside(Transaction *t, const Image *i, const char *hold, const char *entry,
                       const char *new_name, Error *e) {
        _cleanup_free_ char *now = place_of(i), *base = strdup(entry), *new = NULL;

        if (!now || !base)
                return error_oom(e);
        base[strlen(base) - strlen(image_kind_suffix(i))] = '\0';
        new = str_format("%s%s", new_name, base + strlen(i->name));
        return new ? companions_rename_content(now, hold, base, new, t, e) : error_oom(e);
}

/* Versions carry the name of the image in their own. They have moved with the folder when it is their turn. */
static int plan_versions(Transaction *t, const Image *i, const char *hold, const char *new_name,
                         Error *e) {
        _cleanup_strv_ char **entries = NULL;
        int r = list_versions(i, &entries, e);

        STRV_FOREACH(entry, entries) {
                _cleanup_free_ char *now = str_format("%s/%s/%s", i->directory, i->entry, *entry);
                _cleanup_free_ char *from = path_join(hold, *entry);
                _cleanup_free_ char *to = str_format("%s/%s%s", hold, new_name,
                                                     *entry + strlen(i->name));
                Step step = { .kind = STEP_MOVE, .from = from, .to = to };
                struct stat st;

                if (r < 0)
                        break;
                if (!now || !from || !to)
                        return error_oom(e);
                if (lstat(now, &st) < 0)
                        continue;
                step.inode = st.st_ino;
                step.is_immutable = is_immutable(now);
                if (transaction_add(t, &step) < 0)
                        return error_oom(e);
                r = plan_beside(t, i, hold, *entry, new_name, e);
        }
        return r;
}

static int plan_rename(const Image *i, const char *new_name, Transaction *t, Error *e) {
        _cleanup_free_ char *to = str_format("%s/%s%s", i->directory, new_name, image_suffix(i));
        _cleanup_free_ char *hold = hidden_place(i);
        struct stat st;

        if (!to || !hold)
                return error_oom(e);
        if (lstat(to, &st) >= 0)
                return error_set(e, EEXIST, "'%s' is in the way", to);
        int r = plan_entry(t, i, hold, true, e);
        if (r >= 0 && i->is_versioned)
                r = plan_versions(t, i, hold, new_name, e);
        if (r >= 0)
                r = companions_rename(i->directory, i->name, new_name, t, e);
        if (r < 0)
                return r;
        const Step last = { .kind = STEP_MOVE,
                            .inode = t->steps[0].inode,
                            .from = hold,
                            .to = to,
                            .is_immutable = t->steps[0].is_immutable };
        t->steps[0].is_immutable = false;
        return transaction_add(t, &last) < 0 ? error_oom(e) : 0;
}

static int begin_rename(const Image *i, const char *new_name, ImageHold *locks,
                        ImageLock **ret_name, Transaction *t, Error *e) {
        if (!image_name_is_valid(new_name))
                return error_set(e, EINVAL, "image name '%s' is not valid", new_name);
        int r = image_hold(i, locks, e);
        if (r >= 0)
                r = image_reserve_name(new_name, ret_name, e);
        if (r >= 0 && !i->is_link)
                r = layers_check_unused(i, e);
        return r < 0 ? r : plan_rename(i, new_name, t, e);
}

/* The name in between is nobody's business. */
static int leave_out_hold(Transaction *t) {
        Step *first = t->steps, *last = t->steps + t->n - 1;
        size_t n = strlen(first->to);

        for (Step *s = first + 1; s < last; s++) {
                char **const ends[] = { &s->from, &s->to };

                for (size_t k = 0; k < ELEMENTSOF(ends); k++) {
                        if (!*ends[k] || !path_is_below(*ends[k], first->to))
                                continue;
                        char *now = str_format("%s%s", last->to, *ends[k] + n);
                        if (!now)
                                return -ENOMEM;
                        free(*ends[k]);
                        *ends[k] = now;
                }
        }
        free(first->to);
        first->to = TAKE_PTR(last->to);
        free(last->from);
        t->n--;
        return 0;
}

int image_plan_rename(const Image *i, const char *new_name, Transaction *ret, Error *e) {
        _cleanup_image_lock_ ImageLock *name_lock = NULL;
        _cleanup_(transaction_done) Transaction t = {};
        _cleanup_(image_hold_done) ImageHold locks = {};
        int r = begin_rename(i, new_name, &locks, &name_lock, &t, e);

        if (r < 0)
                return r;
        if (leave_out_hold(&t) < 0)
                return error_oom(e);
        *ret = t;
        t = (Transaction){};
        return 0;
}

int image_rename(const Image *i, const char *new_name, bool *ret_units, Error *e) {
        _cleanup_image_lock_ ImageLock *name_lock = NULL;
        _cleanup_(transaction_done) Transaction t = {};
        _cleanup_(image_hold_done) ImageHold locks = {};
        int r = begin_rename(i, new_name, &locks, &name_lock, &t, e);

        if (r >= 0)
                r = transaction_commit(&t, i->directory, e);
        if (ret_units)
                *ret_units = companions_touch_units(&t);
        return r < 0 ? error_wrap(e, r, "renaming image '%s'", i->name) : 0;
}

static int set_disk_read_only(const Image *i, bool read_only) {
        struct stat st;

        if (stat(i->path, &st) < 0)
                return -errno;
        mode_t mode = read_only ? st.st_mode & 0555 : (st.st_mode & 0444) | 0200;
        return chmod(i->path, mode) < 0 ? -errno : 0;
}

static int set_device_read_only(const Image *i, bool read_only) {
        _cleanup_fd_ int fd = open(i->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        int on = read_only;

        if (fd < 0 || ioctl(fd, BLKROSET, &on) < 0)
                return -errno;
        return 0;
}

static int set_subvolume_read_only(const Image *i, bool read_only) {
        _cleanup_fd_ int fd = open(i->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : subvolume_set_read_only(fd, read_only);
}

int image_set_read_only(const Image *i, bool read_only, Error *e) {
        _cleanup_(image_hold_done) ImageHold locks = {};
        int r = image_hold(i, &locks, e);

        if (r < 0)
                return r;
        if (image_is_hidden(i))
                return error_set(e, EROFS, "image '%s' is hidden, and so always read-only",
                                 i->name);
        r = read_only ? 0 : layers_check_unused(i, e);
        if (r < 0)
                return r;

        switch (i->type) {
        case IMAGE_DIRECTORY:
        case IMAGE_MSTACK:
                r = set_immutable(i->path, read_only);
                if (r == -ENOTTY)
                        r = -EOPNOTSUPP;
                break;
        case IMAGE_SUBVOLUME:
                r = set_subvolume_read_only(i, read_only);
                break;
        case IMAGE_RAW:
                r = set_disk_read_only(i, read_only);
                break;
        case IMAGE_BLOCK:
                r = set_device_read_only(i, read_only);
                break;
        default:
                r = -EOPNOTSUPP;
        }
        return r < 0 ? error_set(e, r, "cannot make '%s' %s: %m", i->path,
                                 read_only ? "read-only" : "writable")
                     : 0;
}
