/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Picks from folders of versions, see versions.h. Looks at names and at what kind of file each is, never into
 * one. */
#include "image/versions.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/parse.h"

/* How the kernel calls a machine, how names of versions do, and what else it runs. */
static const struct {
        const char *machine, *name, *second;
} architectures[] = {
        { "x86_64", "x86-64", "x86" },
        { "i686", "x86", NULL },
        { "i586", "x86", NULL },
        { "i486", "x86", NULL },
        { "i386", "x86", NULL },
        { "aarch64", "arm64", "arm" },
        { "armv7l", "arm", NULL },
        { "armv6l", "arm", NULL },
        { "armv8l", "arm", NULL },
        { "riscv64", "riscv64", NULL },
        { "riscv32", "riscv32", NULL },
        { "s390x", "s390x", NULL },
        { "ppc64le", "ppc64-le", NULL },
        { "ppc64", "ppc64", NULL },
        { "loongarch64", "loongarch64", NULL },
        { "mips64", "mips64", NULL },
};

static bool is_architecture(const char *s) {
        for (size_t i = 0; i < ELEMENTSOF(architectures); i++)
                if (streq(architectures[i].name, s))
                        return true;
        return false;
}

void version_done(Version *v) {
        free(v->version);
        free(v->architecture);
        *v = (Version){};
}

/* Takes "+LEFT" or "+LEFT-DONE" off the end. Return: 0; -EINVAL the end is another. */
static int take_tries(char *s, Version *v) {
        char *plus = strrchr(s, '+');

        v->left = UINT64_MAX;
        if (!plus || !isdigit((unsigned char) plus[1]))
                return 0;
        char *minus = strchr(plus, '-');
        if (minus)
                *minus = '\0';
        *plus = '\0';
        if (parse_u64(plus + 1, 0, UINT64_MAX - 1, &v->left) < 0 ||
            (minus && parse_u64(minus + 1, 0, UINT64_MAX - 1, &v->done) < 0))
                return -EINVAL;
        return 0;
}

int version_parse(const char *entry, const char *name, const char *suffix, Version *ret) {
        const char *rest = str_skip_prefix(entry, name);
        _cleanup_(version_done) Version v = {};

        if (!rest || *rest != '_' || !str_has_suffix(rest, suffix))
                return 0;
        _cleanup_free_ char *s = strndup(rest + 1, strlen(rest + 1) - strlen(suffix));
        if (!s)
                return -ENOMEM;
        if (take_tries(s, &v) < 0 || *s == '\0')
                return 0;

        char *last = strrchr(s, '_');
        const char *architecture = last ? last + 1 : s;
        if (is_architecture(architecture)) {
                v.architecture = strdup(architecture);
                if (!v.architecture)
                        return -ENOMEM;
                *(last ? last : s) = '\0';
        }
        v.version = strdup(s);
        if (!v.version)
                return -ENOMEM;
        *ret = v;
        v = (Version){};
        return 1;
}

/* Where a byte comes among others: '~' before the end of the string, and that before all else. */
static int weight(char c) {
        return c == '~' ? -1 : (unsigned char) c;
}

int version_compare(const char *a, const char *b) {
        while (*a || *b) {
                if (isdigit((unsigned char) *a) && isdigit((unsigned char) *b)) {
                        a += strspn(a, "0");
                        b += strspn(b, "0");
                        size_t n = strspn(a, "0123456789"), k = strspn(b, "0123456789");
                        int c = n != k ? (n > k) - (n < k) : memcmp(a, b, n);
                        if (c != 0)
                                return c;
                        a += n;
                        b += k;
                        continue;
                }
                if (*a != *b)
                        return weight(*a) - weight(*b);
                a++;
                b++;
        }
        return 0;
}

unsigned version_fits(const Version *v) {
        struct utsname u;

        if (!v->architecture)
                return 2;
        if (uname(&u) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(architectures); i++)
                if (streq(architectures[i].machine, u.machine))
                        return streq(architectures[i].name, v->architecture)               ? 2
                               : streq(strempty(architectures[i].second), v->architecture) ? 1
                                                                                           : 0;
        return 0;
}

bool version_is_better(const Version *a, const Version *b) {
        if ((a->left == 0) != (b->left == 0))
                return b->left == 0;
        int c = version_compare(a->version, b->version);
        if (c != 0)
                return c > 0;
        if (version_fits(a) != version_fits(b))
                return version_fits(a) > version_fits(b);
        return a->left != b->left ? a->left > b->left : a->done < b->done;
}

/* Calls @each for the name of every version. Return: 0 or the first negative result. */
static int for_each(int dir_fd, const char *name, const char *suffix,
                    int (*each)(const char *entry, Version *v, void *userdata), void *userdata) {
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);
        struct dirent *de;

        if (!d)
                return -errno;
        while ((errno = 0, de = readdir(d))) {
                _cleanup_(version_done) Version v = {};
                int r = version_parse(de->d_name, name, suffix, &v);
                if (r > 0)
                        r = each(de->d_name, &v, userdata);
                if (r < 0)
                        return r;
        }
        return -errno;
}

static int append(const char *entry, Version *v, void *userdata) {
        return strv_append(userdata, entry);
}

int versions_list(int dir_fd, const char *name, const char *suffix, char ***ret) {
        _cleanup_strv_ char **list = NULL;
        int r = for_each(dir_fd, name, suffix, append, &list);

        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        return 0;
}

typedef struct Pick {
        int dir_fd;
        bool want_directory;
        Version best;
        char *entry;
} Pick;

static void pick_done(Pick *p) {
        version_done(&p->best);
        free(p->entry);
}

static int consider(const char *entry, Version *v, void *userdata) {
        Pick *p = userdata;
        struct stat st;

        if (version_fits(v) == 0 || (p->entry && !version_is_better(v, &p->best)) ||
            fstatat(p->dir_fd, entry, &st, 0) < 0 ||
            (p->want_directory ? !S_ISDIR(st.st_mode)
                               : !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
                return 0;
        version_done(&p->best);
        p->best = *v;
        *v = (Version){};
        return str_replace(&p->entry, entry);
}

int versions_pick(int dir_fd, const char *name, const char *suffix, bool want_directory,
                  char **ret) {
        _cleanup_(pick_done) Pick p = { .dir_fd = dir_fd, .want_directory = want_directory };
        int r = for_each(dir_fd, name, suffix, consider, &p);

        if (r < 0 || !p.entry)
                return r;
        *ret = TAKE_PTR(p.entry);
        return 1;
}
