/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads what a stack is made of, from the names in its directory. Mounts nothing. */
#include "image/mstack.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/path.h"
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

int mstack_add(Mstack *m, const char *name, bool is_disk, Error *e) {
        _cleanup_(entry_done) MstackEntry new = { .is_disk = is_disk, .name = strdup(name) };
        _cleanup_free_ char *stem = strdup(name);
        int r;

        if (!new.name || !stem)
                return error_oom(e);
        if (!is_disk && str_has_suffix(name, ".v"))
                return error_set(e, EOPNOTSUPP, "'%s': folders of versions are not supported",
                                 name);
        if (is_disk && !str_has_suffix(name, ".raw"))
                return error_set(e, EINVAL, "the name of the file '%s' does not end in '.raw'",
                                 name);
        if (is_disk)
                stem[strlen(stem) - strlen(".raw")] = '\0';
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

static int add_entry(Mstack *m, int dir_fd, const char *name, Error *e) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, 0) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", name);
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_set(e, EINVAL, "'%s' is neither a directory nor a disk image", name);
        return mstack_add(m, name, !S_ISDIR(st.st_mode), e);
}

int mstack_read(int dir_fd, Mstack *ret, Error *e) {
        _cleanup_(mstack_done) Mstack m = {};
        _cleanup_fd_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d)
                return error_set(e, errno, "cannot list the stack: %m");
        (void) TAKE_FD(fd);
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
