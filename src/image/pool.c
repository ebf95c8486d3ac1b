/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Searches the directories of the pool. What an entry is, image.c tells; nothing is changed here but
 * that the main directory is made when something is to be put there. */
#include "image/pool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fd.h"
#include "base/home.h"
#include "base/path.h"
#include "image/companion.h"
#include "image/quota-group.h"
#include "image/quota.h"
#include "image/subvolume.h"
#include "image/partial.h"
#include "image/temporary.h"
#include "image/transaction.h"

static const char *const default_directories[] = {
        "/etc/machines",      "/run/machines",           "/var/lib/machines",
        "/var/lib/container", "/usr/local/lib/machines", "/usr/lib/machines",
};

static int directories_from_env(const char *value, char ***ret, Error *e) {
        _cleanup_strv_ char **v = NULL;

        if (str_split_colon(value, &v) < 0)
                return error_oom(e);
        STRV_FOREACH(d, v)
                if (!path_is_absolute_clean(*d))
                        return error_set(e, EINVAL, "$SKEP_POOL: '%s' is not an absolute path", *d);

        *ret = TAKE_PTR(v);
        return 0;
}

/* As a user's systemd-machined has them. */
static int user_directories(char ***ret) {
        _cleanup_strv_ char **v = NULL;

        if (strv_consume(&v, home_run("machines")) < 0 ||
            strv_consume(&v, home_state("machines")) < 0 ||
            strv_consume(&v, home_below(".local/lib/machines")) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(v);
        return 0;
}

int pool_directories(char ***ret, Error *e) {
        const char *env = secure_getenv("SKEP_POOL");
        _cleanup_strv_ char **v = NULL;

        if (env && *env)
                return directories_from_env(env, ret, e);
        if (home_is_user())
                return user_directories(ret) < 0 ? error_oom(e) : 0;

        for (size_t i = 0; i < ELEMENTSOF(default_directories); i++)
                if (strv_append(&v, default_directories[i]) < 0)
                        return error_oom(e);
        *ret = TAKE_PTR(v);
        return 0;
}

int pool_path(char **ret, Error *e) {
        const char *env = secure_getenv("SKEP_POOL");
        _cleanup_strv_ char **v = NULL;
        int r;

        if (env && *env) {
                r = directories_from_env(env, &v, e);
                if (r < 0)
                        return r;
        }

        char *p = v ? strdup(v[0]) : home_state("machines");
        if (!p)
                return error_oom(e);
        *ret = p;
        return 0;
}

int pool_open(Error *e) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = pool_path(&path, e);
        if (r < 0)
                return r;

        r = path_mkdirs(path, 0700);
        if (r < 0)
                return error_set(e, r, "cannot make the pool '%s': %m", path);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the pool '%s': %m", path) : fd;
}

int pool_sweep_partials(Error *e) {
        _cleanup_free_ char *path = NULL;
        int r = pool_path(&path, e);

        return r < 0 ? r : MIN(partials_sweep(path, 0, e), 0);
}

int pool_recover(Error *e) {
        _cleanup_strv_ char **dirs = NULL;
        int r = pool_directories(&dirs, e), first = 0;

        if (r < 0)
                return r;
        STRV_FOREACH(d, dirs) {
                r = transaction_recover(*d, first < 0 ? NULL : e);
                if (r < 0 && first == 0)
                        first = r;
        }
        return first;
}

/* Nobody builds copies in this pool now. Return: a descriptor that holds this; 0 somebody does; -errno. */
static int shut(const char *directory) {
        _cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? 0 : -errno;
        return TAKE_FD(fd);
}

/* Copies that were ready, but never noted down to get their name. */
static int sweep_held(int dir_fd) {
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);
        struct dirent *de;
        int r = 0;

        if (!d)
                return -errno;
        while ((de = readdir(d)))
                if (str_skip_prefix(de->d_name, TRANSACTION_HOLD)) {
                        int k = tree_remove(dir_fd, de->d_name);
                        r = r < 0 ? r : MIN(k, 0);
                }
        return r;
}

static int sweep_shut(int dir_fd, const char *directory, Error *e) {
        int r = sweep_held(dir_fd);

        return r < 0 ? error_set(e, r, "cannot sweep '%s': %m", directory) : 0;
}

int pool_sweep_directory(const char *directory, Error *e) {
        int r = transaction_recover(directory, e), n;

        if (r < 0)
                return r;
        n = temporary_sweep(directory, e);
        if (n < 0)
                return n;
        _cleanup_fd_ int fd = shut(directory);
        if (fd <= 0)
                return fd < 0 ? error_set(e, fd, "cannot lock '%s': %m", directory) : n;
        r = sweep_shut(fd, directory, e);
        return r < 0 ? r : n;
}

int pool_sweep(Error *e) {
        _cleanup_free_ char *main_path = NULL;
        _cleanup_strv_ char **dirs = NULL;
        int r = pool_recover(e);

        /* Whatever has a note that cannot be followed must not be swept. */
        if (r >= 0)
                r = pool_directories(&dirs, e);
        if (r >= 0)
                r = pool_path(&main_path, e);
        STRV_FOREACH(d, dirs)
                if (r >= 0)
                        r = MIN(temporary_sweep(*d, e), 0);
        if (r < 0)
                return r;
        _cleanup_fd_ int fd = shut(main_path);
        if (fd <= 0)
                return fd < 0 ? error_set(e, fd, "cannot lock '%s': %m", main_path) : 0;
        companions_sweep();
        return sweep_shut(fd, main_path, e);
}

/* Return: 1 found; 0 not in this directory; -errno. */
static int find_in(const char *directory, const char *name, Image **ret, Error *e) {
        for (unsigned rank = 0; image_form(rank); rank++) {
                _cleanup_free_ char *entry = str_format("%s%s", name, image_form(rank));
                _cleanup_image_ Image *found = NULL;

                if (!entry)
                        return error_oom(e);
                Error why = {};
                int r = image_probe(directory, entry, &found, &why);
                if (r < 0)
                        return error_set(e, r, "%s", why.text);
                /* A disk or stack is not found under the whole name of its entry. */
                if (r > 0 && streq(found->name, name)) {
                        *ret = TAKE_PTR(found);
                        return 1;
                }
        }
        return 0;
}

int pool_find(const char *name, Image **ret, Error *e) {
        _cleanup_strv_ char **dirs = NULL;
        int r;

        if (!image_name_is_valid(name))
                return error_set(e, EINVAL, "image name '%s' is not valid", name);
        if (streq(name, IMAGE_HOST_NAME) && home_is_user())
                return 0;
        if (streq(name, IMAGE_HOST_NAME)) {
                r = image_host(ret, e);
                return r < 0 ? r : 1;
        }

        r = pool_directories(&dirs, e);
        if (r < 0)
                return r;

        STRV_FOREACH(d, dirs) {
                r = find_in(*d, name, ret, e);
                if (r != 0)
                        return r;
        }
        return 0;
}

int pool_get(const char *name, Image **ret, Error *e) {
        int r = pool_find(name, ret, e);

        if (r == 0)
                return error_set(e, ENOENT, "no image '%s' in the pool", name);
        return r < 0 ? r : 0;
}

void image_list_done(ImageList *l) {
        for (size_t i = 0; i < l->n; i++)
                (void) image_free(l->items[i]);
        free(l->items);
        *l = (ImageList){};
}

/* Images as they are found; the lower the rank, the earlier in the search path. */
typedef struct Found {
        Image *image;
        size_t rank;
} Found;

typedef struct FoundList {
        size_t n;
        Found *items;
} FoundList;

static void found_list_done(FoundList *l) {
        for (size_t i = 0; i < l->n; i++)
                (void) image_free(l->items[i].image);
        free(l->items);
}

static int found_list_append(FoundList *l, Image **image, size_t rank) {
        Found *p = reallocarray(l->items, l->n + 1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        l->items = p;
        p[l->n++] = (Found){ .image = TAKE_PTR(*image), .rank = rank };
        return 0;
}

static int note(PoolLeftovers *l, const char *directory, const char *entry, const char *why) {
        _cleanup_free_ char *path = path_join(directory, entry);
        PoolLeftover *p = path ? reallocarray(l->items, l->n + 1, sizeof(*p)) : NULL;

        if (!p)
                return -ENOMEM;
        l->items = p;
        p[l->n] = (PoolLeftover){ .path = TAKE_PTR(path), .why = strdup(why) };
        return p[l->n++].why ? 0 : -ENOMEM;
}

/* Files that go with an image are no images, and nobody wonders why. */
static bool is_expected(const char *entry) {
        return (entry[0] == '.' && entry[1] == '#') || str_skip_prefix(entry, TRANSACTION_PREFIX) ||
               str_skip_prefix(entry, TRANSACTION_HOLD) || companion_is_one(entry);
}

static int list_entry(FoundList *l, PoolLeftovers *others, const char *path, const char *entry,
                      size_t rank) {
        _cleanup_image_ Image *i = NULL;
        Error why = {};
        int r = image_probe(path, entry, &i, &why);

        if (r > 0 && !image_is_host(i))
                return found_list_append(l, &i, rank * 8 + image_rank(i));
        if (r > 0)
                (void) error_set(&why, EEXIST, "'" IMAGE_HOST_NAME "' is the running system");
        return others && error_is_set(&why) && !is_expected(entry)
                       ? note(others, path, entry, why.text)
                       : 0;
}

static int list_directory(FoundList *l, PoolLeftovers *others, const char *path, size_t rank,
                          Error *e) {
        _cleanup_dir_ DIR *d = opendir(path);
        struct dirent *de;

        if (!d)
                return errno == ENOENT || errno == ENOTDIR
                               ? 0
                               : error_set(e, errno, "cannot list '%s': %m", path);

        while ((de = readdir(d)))
                if (!streq(de->d_name, ".") && !streq(de->d_name, "..") &&
                    list_entry(l, others, path, de->d_name, rank) < 0)
                        return error_oom(e);
        return 0;
}

static int compare_found(const void *a, const void *b) {
        const Found *x = a, *y = b;
        int c = strcmp(x->image->name, y->image->name);

        return c != 0 ? c : (x->rank > y->rank) - (x->rank < y->rank);
}

/* The images of a sorted list, each name once. Return: 0 or -ENOMEM. */
static int take_first(FoundList *l, ImageList *ret, PoolLeftovers *others) {
        for (size_t i = 0; i < l->n; i++) {
                const Image *x = l->items[i].image,
                            *last = ret->n > 0 ? ret->items[ret->n - 1] : NULL;

                if (!last || !streq(last->name, x->name)) {
                        ret->items[ret->n++] = TAKE_PTR(l->items[i].image);
                        continue;
                }
                _cleanup_free_ char *why = others ? str_format(
                                                            "'%s/%s' has that name and goes first",
                                                            last->directory, last->entry)
                                                  : NULL;
                if (others && (!why || note(others, x->directory, x->entry, why) < 0))
                        return -ENOMEM;
        }
        return 0;
}

void pool_leftovers_done(PoolLeftovers *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].path);
                free(l->items[i].why);
        }
        free(l->items);
        *l = (PoolLeftovers){};
}

int pool_list(ImageList *ret, Error *e) {
        return pool_list_explained(ret, NULL, e);
}

int pool_list_explained(ImageList *ret, PoolLeftovers *ret_others, Error *e) {
        _cleanup_(found_list_done) FoundList l = {};
        _cleanup_(pool_leftovers_done) PoolLeftovers others = {};
        _cleanup_(image_list_done) ImageList result = {};
        _cleanup_strv_ char **dirs = NULL;
        _cleanup_image_ Image *host = NULL;
        int r;

        r = pool_directories(&dirs, e);
        if (r < 0)
                return r;
        /* The system is no image of a user's. */
        if (!home_is_user()) {
                r = image_host(&host, e);
                if (r < 0)
                        return r;
                if (found_list_append(&l, &host, 0) < 0)
                        return error_oom(e);
        }

        for (size_t i = 0; dirs[i]; i++) {
                r = list_directory(&l, ret_others ? &others : NULL, dirs[i], i, e);
                if (r < 0)
                        return r;
        }

        if (l.n > 0)
                qsort(l.items, l.n, sizeof(*l.items), compare_found);
        result.items = calloc(l.n + 1, sizeof(*result.items));
        if (!result.items || take_first(&l, &result, ret_others ? &others : NULL) < 0)
                return error_oom(e);

        if (ret_others)
                *ret_others = others;
        others = (PoolLeftovers){};
        *ret = result;
        result = (ImageList){};
        return 0;
}

/* A file system that has nothing but the pool in it says what that takes. */
static void read_file_system(int fd, PoolUsage *ret) {
        struct statvfs f;
        struct statx sx;

        if (statx(fd, "", AT_EMPTY_PATH, 0, &sx) < 0 ||
            !(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) || fstatvfs(fd, &f) < 0 ||
            (subvolume_is(fd) && !subvolume_is_top(fd)))
                return;
        ret->usage = (uint64_t) (f.f_blocks - f.f_bfree) * f.f_frsize;
        ret->limit = (uint64_t) f.f_blocks * f.f_frsize;
}

void pool_usage(PoolUsage *ret) {
        _cleanup_free_ char *path = NULL;
        uint64_t exclusive, limit_exclusive;

        *ret = (PoolUsage){ .usage = UINT64_MAX, .limit = UINT64_MAX };
        if (pool_path(&path, NULL) < 0)
                return;
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        if (subvolume_is(fd))
                (void) quota_group_read_tree(fd, &ret->usage, &ret->limit);
        else
                quota_read_directory(fd, &ret->usage, &exclusive, &ret->limit, &limit_exclusive);
        if (ret->usage == UINT64_MAX)
                read_file_system(fd, ret);
}

int pool_set_limit(uint64_t limit, Error *e) {
        _cleanup_free_ char *path = NULL;
        _cleanup_fd_ int fd = pool_open(e);
        int r = fd < 0 ? fd : pool_path(&path, e);

        return r < 0 ? r : quota_set_pool(fd, path, limit, e);
}
