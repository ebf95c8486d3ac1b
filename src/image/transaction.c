/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transactions over files, see transaction.h. The note appears under its name when it is complete and on disk,
 * which is the moment from which there is only forward; it is locked by whoever works on it, and removed when
 * all steps are on disk. Every step can be done twice. */
#include "image/transaction.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "image/subvolume.h"

#define MAGIC      "skep-change 1"
#define NOTE_MAX   (1024 * 1024)
#define UNFINISHED ".#" /* before the name of a note that is being written */
#define STEPS_MAX  10000
#define OF_TREE    (UINT64_C(1) << 63) /* it is the number of a subvolume's tree */

static const char kinds[_STEP_MAX + 1] = {
        [STEP_MOVE] = 'm', [STEP_REMOVE] = 'r', [STEP_SWAP] = 's', [STEP_LINK] = 'l'
};

const char *step_kind_name(StepKind k) {
        static const char *const names[_STEP_MAX] = { "move", "remove", "swap", "link" };

        return names[k];
}

void transaction_done(Transaction *t) {
        for (size_t i = 0; i < t->n; i++) {
                free(t->steps[i].from);
                free(t->steps[i].to);
        }
        free(t->steps);
        *t = (Transaction){};
}

int transaction_add(Transaction *t, const Step *step) {
        Step *p = reallocarray(t->steps, t->n + 1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        t->steps = p;
        p += t->n;
        *p = *step;
        p->from = strdup(step->from);
        p->to = step->to ? strdup(step->to) : NULL;
        t->n++;
        return p->from && !p->to == !step->to ? 0 : -ENOMEM;
}

static int look(const char *path, struct stat *st, Error *e) {
        if (lstat(path, st) >= 0)
                return 1;
        return errno == ENOENT || errno == ENOTDIR
                       ? 0
                       : error_set(e, errno, "cannot look at '%s': %m", path);
}

/* All subvolumes have one inode number: they are told apart by that of their tree. */
static uint64_t identify(const char *path, const struct stat *st) {
        uint64_t id;

        if (!S_ISDIR(st->st_mode))
                return st->st_ino;
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0 && subvolume_is(fd) && subvolume_get_id(fd, &id) >= 0 ? id | OF_TREE
                                                                             : st->st_ino;
}

int transaction_identify(const char *path, uint64_t *ret, Error *e) {
        struct stat st;
        int r = look(path, &st, e);

        if (r > 0)
                *ret = identify(path, &st);
        return r;
}

int transaction_move(Transaction *t, const char *from, const char *to, Error *e) {
        struct stat st, other;
        int r = look(from, &st, e);

        if (r <= 0)
                return r;
        r = look(to, &other, e);
        if (r != 0)
                return r < 0 ? r : error_set(e, EEXIST, "'%s' is in the way", to);
        const Step step = {
                .kind = STEP_MOVE, .inode = st.st_ino, .from = (char *) from, .to = (char *) to
        };
        return transaction_add(t, &step) < 0 ? error_oom(e) : 1;
}

int transaction_swap(Transaction *t, const char *from, const char *to, Error *e) {
        struct stat st, other;
        int r = look(from, &st, e);

        if (r > 0)
                r = look(to, &other, e);
        if (r <= 0)
                return r;
        const Step step = { .kind = STEP_SWAP,
                            .inode = identify(from, &st),
                            .from = (char *) from,
                            .to = (char *) to };
        return transaction_add(t, &step) < 0 ? error_oom(e) : 1;
}

int transaction_remove(Transaction *t, const char *from, Error *e) {
        struct stat st;
        int r = look(from, &st, e);

        if (r <= 0)
                return r;
        const Step step = { .kind = STEP_REMOVE, .inode = st.st_ino, .from = (char *) from };
        return transaction_add(t, &step) < 0 ? error_oom(e) : 1;
}

int transaction_format(const Transaction *t, Buf *out) {
        int r = buf_append(out, MAGIC, sizeof(MAGIC));

        for (size_t i = 0; i < t->n && r >= 0; i++) {
                const Step *s = t->steps + i;

                r = buf_printf(out, "%c%s", kinds[s->kind], s->is_immutable ? "i" : "");
                if (r >= 0)
                        r = buf_append(out, "", 1);
                if (r >= 0)
                        r = buf_printf(out, "%ju", (uintmax_t) s->inode);
                if (r >= 0)
                        r = buf_append(out, "", 1);
                if (r >= 0)
                        r = buf_append(out, s->from, strlen(s->from) + 1);
                if (r >= 0)
                        r = buf_append(out, strempty(s->to), strlen(strempty(s->to)) + 1);
        }
        return r;
}

/* The next string of a note; NULL = there is none. */
static const char *next(const char **at, const char *end) {
        const char *s = *at, *nul = memchr(s, '\0', (size_t) (end - s));

        if (!nul)
                return NULL;
        *at = nul + 1;
        return s;
}

static bool step_is_valid(const Step *s) {
        if (!path_is_absolute_clean(s->from))
                return false;
        switch (s->kind) {
        case STEP_MOVE:
        case STEP_SWAP:
                return s->to && path_is_absolute_clean(s->to);
        case STEP_LINK:
                return s->to;
        default:
                return !s->to;
        }
}

static int parse_step(const char **at, const char *end, Transaction *t) {
        const char *kind = next(at, end), *inode = kind ? next(at, end) : NULL;
        const char *from = inode ? next(at, end) : NULL, *to = from ? next(at, end) : NULL;
        const char *k = kind && *kind ? strchr(kinds, *kind) : NULL;
        Step s = { .from = (char *) from, .to = (char *) (to && *to ? to : NULL) };

        if (!to || !k || (kind[1] && !streq(kind + 1, "i")) ||
            parse_u64(inode, 0, UINT64_MAX, &s.inode) < 0 || t->n >= STEPS_MAX)
                return -EINVAL;
        s.kind = (StepKind) (k - kinds);
        s.is_immutable = kind[1] == 'i';
        return step_is_valid(&s) ? transaction_add(t, &s) : -EINVAL;
}

int transaction_parse(const char *text, size_t n, Transaction *ret, Error *e) {
        _cleanup_(transaction_done) Transaction t = {};
        const char *at = text, *end = text + n, *magic = n > 0 ? next(&at, end) : NULL;

        if (!magic || !streq(magic, MAGIC))
                return error_set(e, EINVAL, "it is no note of a change");
        while (at < end) {
                int r = parse_step(&at, end, &t);
                if (r == -ENOMEM)
                        return error_oom(e);
                if (r < 0)
                        return error_set(e, r, "step %zu makes no sense", t.n + 1);
        }
        *ret = t;
        t = (Transaction){};
        return 0;
}

/* Sets or clears the flag that forbids to rename a directory. Return: 1 changed; 0 it was so; -errno. */
static int set_immutable(const char *path, bool on) {
        _cleanup_fd_ int fd = open(path,
                                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        int flags;

        if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return -errno;
        int changed = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        if (changed == flags)
                return 0;
        return ioctl(fd, FS_IOC_SETFLAGS, &changed) < 0 ? -errno : 1;
}

/* Whether what a step is about is (still) at @path. */
static bool is_there(const Step *s, const char *path) {
        struct stat st;

        return lstat(path, &st) >= 0 &&
               (st.st_ino == s->inode || ((s->inode & OF_TREE) && identify(path, &st) == s->inode));
}

static int do_swap(const Step *s, Error *e) {
        if (is_there(s, s->from)) {
                bool cleared = set_immutable(s->to, false) > 0;

                (void) set_immutable(s->from, false);
                if (renameat2(AT_FDCWD, s->from, AT_FDCWD, s->to, RENAME_EXCHANGE) < 0) {
                        int r = error_set(e, errno, "cannot put '%s' in place of '%s': %m", s->from,
                                          s->to);
                        if (cleared)
                                (void) set_immutable(s->to, true);
                        return r;
                }
        }
        if (s->is_immutable && is_there(s, s->to))
                (void) set_immutable(s->to, true);
        return 0;
}

static int do_move(const Step *s, Error *e) {
        int r = 0;

        if (is_there(s, s->from)) {
                bool cleared = set_immutable(s->from, false) > 0;

                if (renameat2(AT_FDCWD, s->from, AT_FDCWD, s->to, RENAME_NOREPLACE) < 0) {
                        r = error_set(e, errno, "cannot rename '%s' to '%s': %m", s->from, s->to);
                        if (cleared)
                                (void) set_immutable(s->from, true);
                        return r;
                }
        }
        /* A mark that is lost is no reason to take all back. */
        if (s->is_immutable && is_there(s, s->to))
                (void) set_immutable(s->to, true);
        return r;
}

static int open_parent(const char *path) {
        _cleanup_free_ char *parent = strndup(path, (size_t) MAX(path_last(path) - path - 1, 1));
        int fd = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        return fd < 0 ? -errno : fd;
}

static int do_remove(const Step *s, Error *e) {
        _cleanup_fd_ int dir_fd = -EBADF;

        if (!is_there(s, s->from))
                return 0;
        dir_fd = open_parent(s->from);
        (void) set_immutable(s->from, false);
        int r = dir_fd < 0 ? dir_fd : tree_remove(dir_fd, path_last(s->from));
        return r < 0 ? error_set(e, r, "cannot remove '%s': %m", s->from) : 0;
}

static int do_link(const Step *s, Error *e) {
        _cleanup_free_ char *aside = str_format("%s.#skep", s->from);
        char now[PATH_MAX];
        ssize_t n = readlink(s->from, now, sizeof(now) - 1);

        if (!aside)
                return error_oom(e);
        if (n < 0)
                return 0; /* it is no link any more: somebody else's */
        now[n] = '\0';
        (void) unlink(aside);
        if (!streq(now, s->to) && (symlink(s->to, aside) < 0 || rename(aside, s->from) < 0))
                return error_set(e, errno, "cannot make '%s' point to '%s': %m", s->from, s->to);
        return 0;
}

static int do_step(const Step *s, Error *e) {
        return s->kind == STEP_MOVE   ? do_move(s, e)
               : s->kind == STEP_SWAP ? do_swap(s, e)
               : s->kind == STEP_LINK ? do_link(s, e)
                                      : do_remove(s, e);
}

static bool gives_name(const Step *s) {
        return s->kind == STEP_MOVE || s->kind == STEP_SWAP;
}

/* Moves back what the first @n steps moved. */
static void undo(const Transaction *t, size_t n) {
        for (size_t i = n; i-- > 0;) {
                const Step *s = t->steps + i;

                if (!gives_name(s) || !is_there(s, s->to))
                        continue;
                (void) set_immutable(s->to, false);
                (void) renameat2(AT_FDCWD, s->to, AT_FDCWD, s->from,
                                 s->kind == STEP_SWAP ? RENAME_EXCHANGE : RENAME_NOREPLACE);
        }
        for (size_t i = 0; i < n; i++)
                if (t->steps[i].is_immutable)
                        (void) set_immutable(t->steps[0].from, true);
}

static void sync_parent(const char *path) {
        _cleanup_fd_ int fd = open_parent(path);

        if (fd >= 0)
                (void) fsync(fd);
}

/* @can_undo: the steps are ours; else they are what somebody else left. */
static int apply(const Transaction *t, bool can_undo, Error *e) {
        int first = 0;

        for (size_t i = 0; i < t->n; i++) {
                int r = do_step(t->steps + i, first < 0 ? NULL : e);

                if (r < 0 && can_undo && gives_name(t->steps + i)) {
                        undo(t, i);
                        return r;
                }
                if (r < 0 && first == 0)
                        first = r;
        }
        for (size_t i = 0; i < t->n; i++) {
                sync_parent(t->steps[i].from);
                if (gives_name(t->steps + i))
                        sync_parent(t->steps[i].to);
        }
        return first;
}

/* Writes the note, locked, and gives it its name. Return: a descriptor that holds the lock or -errno. */
static int write_note(const Transaction *t, int dir_fd, const char *name, Error *e) {
        _cleanup_free_ char *temporary = str_format(UNFINISHED "%s", name);
        _cleanup_(buf_done) Buf text = {};
        _cleanup_fd_ int fd = -EBADF;
        int r = temporary ? transaction_format(t, &text) : -ENOMEM;

        if (r < 0)
                return error_oom(e);
        fd = openat(dir_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set(e, errno, "cannot note down what is to be done: %m");
        r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : fd_write_all(fd, text.p, text.n);
        if (r >= 0 &&
            (fsync(fd) < 0 || renameat2(dir_fd, temporary, dir_fd, name, RENAME_NOREPLACE) < 0))
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return error_set(e, r, "cannot note down what is to be done: %m");
        }
        (void) fsync(dir_fd);
        return TAKE_FD(fd);
}

int transaction_commit(const Transaction *t, const char *directory, Error *e) {
        _cleanup_fd_ int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
        _cleanup_free_ char *name = NULL;
        uint64_t random;

        if (t->n == 0)
                return 0;
        if (dir_fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", directory);
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return error_set(e, errno, "there are no random numbers: %m");
        name = str_format(TRANSACTION_PREFIX "%016jx", (uintmax_t) random);
        if (!name)
                return error_oom(e);
        fd = write_note(t, dir_fd, name, e);
        if (fd < 0)
                return fd;
        int r = apply(t, true, e);
        (void) unlinkat(dir_fd, name, 0);
        (void) fsync(dir_fd);
        return r;
}

/* Return: 1 finished; 0 somebody works on it, or it is gone; -errno. */
static int recover_one(int dir_fd, const char *directory, const char *name, Error *e) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_(transaction_done) Transaction t = {};
        _cleanup_free_ char *text = NULL;
        struct stat st, now;
        size_t n;

        if (fd < 0)
                return errno == ENOENT
                               ? 0
                               : error_set(e, errno, "cannot open '%s/%s': %m", directory, name);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return 0;
        if (fstat(fd, &st) < 0 || fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_ino != now.st_ino)
                return 0;
        /* What is done by a note is done as who we are: it has to be ours. */
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
                return error_set(e, EPERM, "'%s/%s' is no note of ours", directory, name);
        int r = fd_read_all(fd, NOTE_MAX, &text, &n);
        if (r < 0)
                return error_set(e, r, "cannot read '%s/%s': %m", directory, name);
        r = transaction_parse(text, n, &t, e);
        if (r < 0)
                return error_wrap(e, r, "'%s/%s'", directory, name);
        r = apply(&t, false, e);
        (void) unlinkat(dir_fd, name, 0);
        (void) fsync(dir_fd);
        return r < 0 ? error_wrap(e, r, "finishing '%s/%s'", directory, name) : 1;
}

/* A note that was never complete meant nothing. Whoever writes one has it locked. */
static void remove_unfinished(int dir_fd, const char *name) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) >= 0)
                (void) unlinkat(dir_fd, name, 0);
}

int transaction_recover(const char *directory, Error *e) {
        _cleanup_dir_ DIR *d = opendir(directory);
        struct dirent *de;
        int n = 0, first = 0;

        if (!d)
                return errno == ENOENT || errno == ENOTDIR
                               ? 0
                               : error_set(e, errno, "cannot list '%s': %m", directory);
        while ((de = readdir(d))) {
                if (str_skip_prefix(de->d_name, UNFINISHED TRANSACTION_PREFIX))
                        remove_unfinished(dirfd(d), de->d_name);
                if (!str_skip_prefix(de->d_name, TRANSACTION_PREFIX))
                        continue;
                int r = recover_one(dirfd(d), directory, de->d_name, first < 0 ? NULL : e);
                if (r < 0 && first == 0)
                        first = r;
                else if (r > 0)
                        n++;
        }
        return first < 0 ? first : n;
}
