/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where settings files lie, which of them count, and whom they are believed from; see spec-files.h. What
 * is in them is the table's to know. */
#include "spawn/spec-files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define DROP_INS_MAX  1024

/* A directory with settings files, the first in rank first. */
typedef struct Place {
        char *path;
        bool trusted;
} Place;

typedef struct DropIn {
        char *name;
        const Place *place;
} DropIn;

typedef struct Search {
        Settings *settings;
        const char *machine;
        unsigned untrusted, trusted; /* ranks */
        Place places[3];
        size_t n_places;
        DropIn *drop_ins;
        size_t n_drop_ins;
} Search;

static void search_done(Search *s) {
        for (size_t i = 0; i < s->n_drop_ins; i++)
                free(s->drop_ins[i].name);
        free(s->drop_ins);
        for (size_t i = 0; i < s->n_places; i++)
                free(s->places[i].path);
}

static int add_place(Search *s, char *path, bool trusted, Error *e) {
        if (!path)
                return error_oom(e);
        s->places[s->n_places++] = (Place){ path, trusted };
        return 0;
}

/* A folder of the administrator or user, which mostly is not there: then it is asked for once, not by
 * every name that could be in it. */
static int add_place_if_any(Search *s, char *path, Error *e) {
        if (path && access(path, F_OK) < 0 && errno == ENOENT) {
                free(path);
                return 0;
        }
        return add_place(s, path, true, e);
}

/* A folder of the caller's own: below what @variable says, else below @otherwise in the home. */
static int add_place_of_user(Search *s, const char *variable, const char *otherwise, Error *e) {
        const char *base = getenv(variable), *home = getenv("HOME");

        if (base && *base == '/')
                return add_place_if_any(s, path_join(base, "systemd/nspawn"), e);
        if (!otherwise || !home || *home != '/')
                return 0;
        return add_place_if_any(s, str_format("%s/%s/systemd/nspawn", home, otherwise), e);
}

static int add_places(Search *s, const Spec *found, Error *e) {
        int r;

        if (getauxval(AT_EUID) == 0) {
                r = add_place_if_any(s, strdup("/etc/systemd/nspawn"), e);
                if (r >= 0)
                        r = add_place_if_any(s, strdup("/run/systemd/nspawn"), e);
        } else {
                r = add_place_of_user(s, "XDG_CONFIG_HOME", ".config", e);
                if (r >= 0)
                        r = add_place_of_user(s, "XDG_RUNTIME_DIR", NULL, e);
        }
        const char *place = spec_place(found);
        if (r < 0 || !place || streq(place, "/"))
                return r;
        size_t n = (size_t) (path_last(place) - place);
        return add_place(s, strndup(place, MAX(n - 1, (size_t) 1)),
                         found->settings_mode == SETTINGS_TRUSTED, e);
}

/* A link to /dev/null is how an administrator says "nothing". */
static bool is_mask(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* Return: 1 it was there, 0 it was not, -errno. */
static int read_file(const Search *s, const Place *place, const char *path, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r = file_read(AT_FDCWD, path, FILE_SIZE_MAX, &text, &n);

        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r == -EINVAL && is_mask(path))
                return 1;
        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", path);
        r = settings_from_text(s->settings, path, text, n, place->trusted,
                               place->trusted ? s->trusted : s->untrusted, e);
        return r < 0 ? r : 1;
}

static int read_main(const Search *s, Error *e) {
        for (size_t i = 0; i < s->n_places; i++) {
                _cleanup_free_ char *path = str_format("%s/%s.nspawn", s->places[i].path,
                                                       s->machine);
                if (!path)
                        return error_oom(e);
                int r = read_file(s, s->places + i, path, e);
                if (r != 0)
                        return MIN(r, 0);
        }
        return 0;
}

static int add_drop_in(Search *s, const char *name, const Place *place, Error *e) {
        for (size_t i = 0; i < s->n_drop_ins; i++)
                if (streq(s->drop_ins[i].name, name))
                        return 0;
        if (s->n_drop_ins == DROP_INS_MAX)
                return error_set(e, E2BIG, "more than %d drop-ins of '%s'", DROP_INS_MAX,
                                 s->machine);

        DropIn *list = reallocarray(s->drop_ins, s->n_drop_ins + 1, sizeof *list);
        if (!list)
                return error_oom(e);
        s->drop_ins = list;
        char *copy = strdup(name);
        if (!copy)
                return error_oom(e);
        list[s->n_drop_ins++] = (DropIn){ copy, place };
        return 0;
}

/* Notes what is dropped in at one place, unless a place before has it. */
static int list_drop_ins(Search *s, const Place *place, Error *e) {
        _cleanup_free_ char *path = str_format("%s/%s.nspawn.d", place->path, s->machine);

        if (!path)
                return error_oom(e);
        DIR *dir = opendir(path);
        if (!dir)
                return errno == ENOENT || errno == ENOTDIR
                               ? 0
                               : error_set(e, errno, "cannot open '%s': %m", path);
        int r = 0;
        for (const struct dirent *d = readdir(dir); d && r >= 0; d = readdir(dir))
                if (d->d_name[0] != '.' && str_has_suffix(d->d_name, ".conf"))
                        r = add_drop_in(s, d->d_name, place, e);
        (void) closedir(dir);
        return r;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const DropIn *) a)->name, ((const DropIn *) b)->name);
}

static int read_drop_ins(Search *s, Error *e) {
        for (size_t i = 0; i < s->n_places; i++) {
                int r = list_drop_ins(s, s->places + i, e);
                if (r < 0)
                        return r;
        }
        if (s->n_drop_ins > 0)
                qsort(s->drop_ins, s->n_drop_ins, sizeof *s->drop_ins, compare_names);
        for (size_t i = 0; i < s->n_drop_ins; i++) {
                const DropIn *d = s->drop_ins + i;
                _cleanup_free_ char *path = str_format("%s/%s.nspawn.d/%s", d->place->path,
                                                       s->machine, d->name);
                if (!path)
                        return error_oom(e);
                int r = read_file(s, d->place, path, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int spec_files_read(Settings *settings, const Spec *found, unsigned untrusted, unsigned trusted,
                    Error *e) {
        _cleanup_(search_done) Search s = { .settings = settings,
                                            .machine = found->machine,
                                            .untrusted = untrusted,
                                            .trusted = trusted };
        const SpecifierTable specifiers = spec_specifiers(found->machine);

        settings->specifiers = &specifiers;
        int r = add_places(&s, found, e);
        if (r >= 0)
                r = read_main(&s, e);
        if (r >= 0)
                r = read_drop_ins(&s, e);
        settings->specifiers = NULL;
        return r;
}
