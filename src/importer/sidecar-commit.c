/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image and what goes with it get their names as one, see sidecar.h: it is written down what is going to be done
 * (image/transaction.h) before any of it is, so that whoever is killed meanwhile leaves all of the old or all of the new. */
#include "importer/sidecar.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/transaction.h"

typedef struct Change {
        const StagingOptions *options;
        Staging *staging;
        char *root; /* as a path without links */
        Transaction first, last;
        char *held[SIDECARS_MAX]; /* new files, under names that nobody clears away */
} Change;

static void change_done(Change *c) {
        for (size_t i = 0; i < SIDECARS_MAX; i++) {
                if (c->held[i])
                        (void) unlink(c->held[i]);
                free(c->held[i]);
        }
        transaction_done(&c->first);
        transaction_done(&c->last);
        free(c->root);
}

/* Whether the same is there, because somebody put it there. */
static bool is_there(int dir_fd, const char *entry, const void *data, size_t n) {
        _cleanup_fd_ int fd = openat(dir_fd, entry, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t) st.st_size != n)
                return false;
        if (n == 0)
                return true;
        void *there = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
        bool same = there != MAP_FAILED && memcmp(there, data, n) == 0;
        if (there != MAP_FAILED)
                (void) munmap(there, n);
        return same;
}

static char *held_name(const Change *c) {
        uint64_t random;

        if (getrandom(&random, sizeof random, 0) != sizeof random)
                return NULL;
        return str_format("%s/" TRANSACTION_HOLD "%016jx", c->root, (uintmax_t) random);
}

/* Plans to give what is at @from the name @to, in place of what may have it. */
static int plan_place(Change *c, const char *from, const char *to, bool force, Error *e) {
        uint64_t old = 0;
        int r = force ? transaction_swap(&c->first, from, to, e) : 0;

        if (r > 0) {
                /* Which has that name by then. */
                r = transaction_identify(to, &old, e);
                if (r <= 0)
                        return r < 0 ? r : error_set(e, ENOENT, "'%s' is gone", path_last(to));
                const Step step = { .kind = STEP_REMOVE, .inode = old, .from = (char *) from };
                return transaction_add(&c->last, &step) < 0 ? error_oom(e) : 0;
        }
        if (r == 0)
                r = transaction_move(&c->first, from, to, e);
        return r == -EEXIST ? error_set(e, r, "'%s' exists already", path_last(to)) : MIN(r, 0);
}

static int write_held(Change *c, size_t i, const void *data, size_t n, Error *e) {
        c->held[i] = held_name(c);
        if (!c->held[i])
                return error_oom(e);
        _cleanup_fd_ int fd = open(c->held[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int r = fd < 0 ? -errno : fd_write_all(fd, data, n);
        if (r >= 0 && (fchmod(fd, 0444) < 0 || (c->options->sync && fsync(fd) < 0)))
                r = -errno;
        return r < 0 ? error_set(e, r, "cannot write what goes with the image: %m") : 0;
}

static int plan_file(Change *c, int from, size_t i, Error *e) {
        _cleanup_free_ char *to = str_format("%s/%s%s", c->root, c->staging->name,
                                             sidecar_suffix(i));
        void *data = NULL;
        struct stat st;
        int r = 0;

        if (!to)
                return error_oom(e);
        if (fstat(from, &st) < 0)
                return error_set(e, errno, "cannot read what goes with the image: %m");
        size_t n = (size_t) st.st_size;
        if (n > 0) {
                data = mmap(NULL, n, PROT_READ, MAP_PRIVATE, from, 0);
                if (data == MAP_FAILED)
                        return error_set(e, errno, "cannot read what goes with the image: %m");
        }
        const void *bytes = data ? data : "";
        if (!is_there(c->staging->pool_fd, path_last(to), bytes, n)) {
                r = write_held(c, i, bytes, n, e);
                if (r >= 0)
                        r = plan_place(c, c->held[i], to, c->options->force, e);
        }
        if (data)
                (void) munmap(data, n);
        return r;
}

/* What was in the other image, and says nothing of this one. */
static int plan_stale(Change *c, const Sidecars *s, Error *e) {
        int r = 0;

        for (size_t i = 0; i < SIDECARS_MAX && r >= 0; i++) {
                if (s->fds[i] >= 0 || streq(sidecar_suffix(i), ".nspawn"))
                        continue;
                _cleanup_free_ char *path = str_format("%s/%s%s", c->root, c->staging->name,
                                                       sidecar_suffix(i));
                r = path ? transaction_remove(&c->last, path, e) : error_oom(e);
        }
        return MIN(r, 0);
}

/* Other forms that an image of the name has: of a tree a disk, and the other way round. */
static int plan_others(Change *c, Error *e) {
        static const char *const forms[] = { "", ".raw", ".mstack" };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(forms) && r >= 0; i++) {
                if (streq(forms[i], staging_suffix(c->staging, c->options)))
                        continue;
                _cleanup_free_ char *path = str_format("%s/%s%s", c->root, c->staging->name,
                                                       forms[i]);
                r = path ? transaction_remove(&c->last, path, e) : error_oom(e);
        }
        return MIN(r, 0);
}

/* The image gets a name that who clears pools away, at the next boot at the latest, knows nothing of. */
static int hold(Change *c, Error *e) {
        _cleanup_free_ char *held = held_name(c);
        Staging *s = c->staging;

        if (!held)
                return error_oom(e);
        if (renameat2(s->pool_fd, s->temp, s->pool_fd, path_last(held), RENAME_NOREPLACE) < 0)
                return error_set(e, errno, "cannot rename the new image '%s': %m", s->name);
        return str_replace(&s->temp, path_last(held)) < 0 ? error_oom(e) : 0;
}

static int plan_image(Change *c, Error *e) {
        Staging *s = c->staging;
        _cleanup_free_ char *to = str_format("%s/%s%s", c->root, s->name,
                                             staging_suffix(s, c->options));
        bool is_marked = false;
        int r = staging_make_read_only(s, c->options, &is_marked, e);

        if (r >= 0)
                r = hold(c, e);
        _cleanup_free_ char *from = r < 0 ? NULL : path_join(c->root, s->temp);
        if (r < 0)
                return r;
        if (!to || !from)
                return error_oom(e);
        r = plan_place(c, from, to, c->options->force, e);
        if (r >= 0)
                c->first.steps[c->first.n - 1].is_immutable = is_marked;
        return r;
}

static int plan(Change *c, const Sidecars *s, Error *e) {
        int r = 0;

        for (size_t i = 0; i < SIDECARS_MAX && r >= 0; i++)
                if (s->fds[i] >= 0)
                        r = plan_file(c, s->fds[i], i, e);
        if (r >= 0)
                r = plan_image(c, e);
        if (r >= 0 && c->options->force) {
                r = plan_others(c, e);
                if (r >= 0)
                        r = plan_stale(c, s, e);
        }
        /* What is old goes when all that is new is there. */
        for (size_t i = 0; i < c->last.n && r >= 0; i++)
                if (transaction_add(&c->first, c->last.steps + i) < 0)
                        r = error_oom(e);
        return r;
}

static bool is_needed(const Sidecars *s, const Staging *staging, const StagingOptions *o) {
        for (size_t i = 0; i < SIDECARS_MAX; i++) {
                _cleanup_free_ char *entry = str_format("%s%s", staging->name, sidecar_suffix(i));

                if (s->fds[i] >= 0 ||
                    (o->force && entry &&
                     faccessat(staging->pool_fd, entry, F_OK, AT_SYMLINK_NOFOLLOW) >= 0))
                        return true;
        }
        return false;
}

/* Whether it is seen, whatever could not be cleared away. */
static bool is_committed(const Staging *s, const StagingOptions *o) {
        _cleanup_free_ char *entry = str_format("%s%s", s->name, staging_suffix(s, o));
        struct stat a, b;

        return entry && fstat(s->fd, &a) >= 0 &&
               fstatat(s->pool_fd, entry, &b, AT_SYMLINK_NOFOLLOW) >= 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
}

int sidecars_commit(const Sidecars *s, const char *root, Staging *staging, const StagingOptions *o,
                    Error *e) {
        _cleanup_(change_done) Change c = { .options = o, .staging = staging };

        if (!is_needed(s, staging, o))
                return staging_commit(staging, o, e);
        c.root = realpath(root, NULL);
        if (!c.root)
                return error_set(e, errno, "cannot find '%s': %m", root);
        /* Nobody takes away meanwhile what is held and not noted down yet. */
        if (flock(staging->pool_fd, LOCK_SH) < 0)
                return error_set(e, errno, "cannot lock '%s': %m", root);
        int r = plan(&c, s, e);
        if (r >= 0)
                r = transaction_commit(&c.first, c.root, e);
        if (r < 0 && !is_committed(staging, o)) {
                (void) flock(staging->pool_fd, LOCK_UN);
                return r;
        }
        (void) flock(staging->pool_fd, LOCK_UN);
        free(staging->temp);
        staging->temp = NULL;
        return 0;
}
