/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads what a stack is made of, from the names in its directory. Mounts nothing. */
#include "image/mstack.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/path.h"
#include "image/image.h"
#include "image/versions.h"

#define ENTRIES_MAX 1000 /* twice as many layers as an overlay can have */

static void entry_done(MstackEntry *e) {
        free(e->name);
        free(e->id);
        free(e->place);
        *e = (MstackEntry){};
}

void mstack_done(Mstack *m) {
        for (size_t i = 0; i < m->n; i++)
                entry_done(m->entries + i);
        free(m->entries);
        *m = (Mstack){};
}

static int hex_value(char c) {
        const char *digits = "0123456789abcdef", *at = c ? strchr(digits, tolower(c)) : NULL;

        return at ? (int) (at - digits) : -EINVAL;
}

/* "var-lib\x2dx" is /var/lib-x, "-" is "/". */
static int parse_place(const char *s, char **ret) {
        _cleanup_(buf_done) Buf b = {};
        int r = buf_puts(&b, "/");

        for (; *s && r >= 0; s++) {
                char c = *s;

                if (c == '\\') {
                        int high = s[1] == 'x' ? hex_value(s[2]) : -EINVAL;
                        int low = high < 0 ? high : hex_value(s[3]);
                        if (low < 0)
                                return -EINVAL;
                        c = (char) (high << 4 | low);
                        s += 3;
                        if (c == '\0' || c == '/')
                                return -EINVAL;
                } else if (c == '-')
                        c = '/';
                r = buf_append(&b, &c, 1);
        }
        if (r < 0)
                return r;
        if (streq(b.p, "//"))
                b.p[1] = '\0';
        if (!path_is_absolute_clean(b.p))
                return -EINVAL;
        *ret = buf_take(&b);
        return *ret ? 0 : -ENOMEM;
}

/* Return: 0; -EINVAL it is no entry; -ENOMEM. */
static int parse_name(const char *stem, MstackEntry *ret) {
        static const char *const prefixes[_MSTACK_TYPE_MAX] = {
                [MSTACK_LAYER] = "layer@",
                [MSTACK_BIND] = "bind@",
                [MSTACK_ROBIND] = "robind@",
        };

        if (streq(stem, "rw") || streq(stem, "root")) {
                ret->type = streq(stem, "rw") ? MSTACK_RW : MSTACK_ROOT;
                return 0;
        }
        for (MstackType t = 0; t < _MSTACK_TYPE_MAX; t++) {
                const char *rest = prefixes[t] ? str_skip_prefix(stem, prefixes[t]) : NULL;

                if (!rest || !*rest)
                        continue;
                ret->type = t;
                if (t != MSTACK_LAYER)
                        return parse_place(rest, &ret->place);
                ret->id = strdup(rest);
                return ret->id ? 0 : -ENOMEM;
        }
        return -EINVAL;
}

static bool is_bind(MstackType t) {
        return t == MSTACK_BIND || t == MSTACK_ROBIND;
}

static bool is_same(const MstackEntry *a, const MstackEntry *b) {
        if (is_bind(a->type) && is_bind(b->type))
                return streq(a->place, b->place);
        return a->type == b->type && streq(strempty(a->id), strempty(b->id));
}

static void cut(char *s, const char *suffix) {
        s[strlen(s) - strlen(suffix)] = '\0';
}

/* What an entry is for, without what says how it lies there: for "layer@1.raw.v/layer@1_7.raw" it is "layer@1". */
static int find_stem(const char *name, bool is_disk, char **ret, Error *e) {
        const char *suffix = is_disk ? RAW_SUFFIX : "", *slash = strchrnul(name, '/');
        _cleanup_free_ char *stem = strndup(name, (size_t) (slash - name));
        _cleanup_(version_done) Version v = {};
        bool is_versioned = stem && str_has_suffix(stem, VERSIONS_SUFFIX) && (*slash || !is_disk);

        if (!stem)
                return error_oom(e);
        if (is_versioned)
                cut(stem, VERSIONS_SUFFIX);
        if (!str_has_suffix(stem, suffix))
                return error_set(e, EINVAL, "the name of the file '%s' does not end in '.raw'",
                                 name);
        cut(stem, suffix);
        if ((*slash || is_versioned) && (!is_versioned || !*slash || strchr(slash + 1, '/') ||
                                         version_parse(slash + 1, stem, suffix, &v) <= 0))
                return error_set(e, EINVAL, "'%s' is no version in a folder of them", name);
        if (is_versioned && streq(stem, "rw"))
                return error_set(e, EINVAL, "'%s': what is written to has no versions", name);
        *ret = TAKE_PTR(stem);
        return 0;
}

int mstack_add(Mstack *m, const char *name, bool is_disk, Error *e) {
        _cleanup_(entry_done) MstackEntry new = { .is_disk = is_disk, .name = strdup(name) };
        _cleanup_free_ char *stem = NULL;
        int r = find_stem(name, is_disk, &stem, e);

        if (r < 0)
                return r;
        if (!new.name)
                return error_oom(e);
        r = parse_name(stem, &new);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0)
                return error_set(e, r,
                                 "'%s' is none of layer@ID, rw, root, bind@PLACE and robind@PLACE",
                                 name);
        for (size_t i = 0; i < m->n; i++)
                if (is_same(m->entries + i, &new))
                        return error_set(e, ENOTUNIQ, "'%s' and '%s' are for the same",
                                         m->entries[i].name, name);

        MstackEntry *grown = reallocarray(m->entries, m->n + 1, sizeof *grown);
        if (!grown)
                return error_oom(e);
        m->entries = grown;
        grown[m->n++] = new;
        new = (MstackEntry){};
        return 0;
}

static int compare_entries(const void *x, const void *y) {
        const MstackEntry *a = x, *b = y;
        bool both = is_bind(a->type) && is_bind(b->type);
        int c = both ? strcmp(a->place, b->place) : (a->type > b->type) - (a->type < b->type);

        if (c == 0 && a->id && b->id)
                c = version_compare(a->id, b->id);
        /* "1" and "01" are one version: any order will do, but always the same. */
        return c != 0 ? c : strcmp(a->name, b->name);
}

void mstack_sort(Mstack *m) {
        if (m->n > 0)
                qsort(m->entries, m->n, sizeof *m->entries, compare_entries);
}

/* Of a folder of versions, the best counts. */
static int add_version(Mstack *m, int dir_fd, const char *name, Error *e) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const bool is_disk = str_has_suffix(name, RAW_SUFFIX VERSIONS_SUFFIX);
        const char *suffix = is_disk ? RAW_SUFFIX : "";
        _cleanup_free_ char *stem = strdup(name), *picked = NULL, *path = NULL;

        if (!stem)
                return error_oom(e);
        cut(stem, VERSIONS_SUFFIX);
        cut(stem, suffix);
        int r = fd < 0 ? -errno : versions_pick(fd, stem, suffix, !is_disk, &picked);
        if (r < 0)
                return error_set(e, r, "cannot look for versions in '%s': %m", name);
        if (r == 0)
                return error_set(e, ENOENT,
                                 "there is no version '%s_…%s' in '%s' that this system can run",
                                 stem, suffix, name);
        path = path_join(name, picked);
        return path ? mstack_add(m, path, is_disk, e) : error_oom(e);
}

static int add_entry(Mstack *m, int dir_fd, const char *name, Error *e) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, 0) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", name);
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_set(e, EINVAL, "'%s' is neither a directory nor a disk image", name);
        if (S_ISDIR(st.st_mode) && str_has_suffix(name, VERSIONS_SUFFIX))
                return add_version(m, dir_fd, name, e);
        return mstack_add(m, name, !S_ISDIR(st.st_mode), e);
}

int mstack_read(int dir_fd, Mstack *ret, Error *e) {
        _cleanup_(mstack_done) Mstack m = {};
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);

        if (!d)
                return error_set(e, errno, "cannot list the stack: %m");
        for (;;) {
                errno = 0;
                struct dirent *de = readdir(d);
                /* A layer that is not seen would be one that does not count. */
                if (!de && errno != 0)
                        return error_set(e, errno, "cannot list the stack: %m");
                if (!de)
                        break;
                if (de->d_name[0] == '.')
                        continue;
                int r = m.n < ENTRIES_MAX ? add_entry(&m, dir_fd, de->d_name, e)
                                          : error_set(e, E2BIG, "there are too many entries");
                if (r < 0)
                        return r;
        }
        if (m.n == 0)
                return error_set(e, EINVAL, "the stack is empty");
        mstack_sort(&m);
        *ret = m;
        m = (Mstack){};
        return 0;
}

bool mstack_is_writable(int dir_fd) {
        static const char *const names[] = { "rw",       "rw.raw", "root",
                                             "root.raw", "root.v", "root.raw.v" };
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);

        for (struct dirent *de; d && (de = readdir(d));) {
                if (str_skip_prefix(de->d_name, "bind@"))
                        return true;
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        if (streq(de->d_name, names[i]))
                                return true;
        }
        return false;
}

const MstackEntry *mstack_find(const Mstack *m, MstackType type, const char *place) {
        for (size_t i = 0; i < m->n; i++)
                if (m->entries[i].type == type && (!place || streq(m->entries[i].place, place)))
                        return m->entries + i;
        return NULL;
}

int mstack_format(const Mstack *m, Buf *out) {
        int r = buf_puts(out, "parts:\n");

        for (size_t i = 0; i < m->n && r >= 0; i++) {
                const MstackEntry *e = m->entries + i;
                _cleanup_free_ char *name = str_escape(e->name, " "), *place = NULL;

                place = str_escape(e->place ? e->place : "", " ");
                if (!name || !place)
                        return -ENOMEM;
                r = buf_printf(out, "  %s%s%s%s\n", name, *place ? " at " : "", place,
                               e->type == MSTACK_ROBIND ? ", read-only" : "");
        }
        return r;
}
