/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings files and their places, see settings-file.h. Reads no line of them: the spawner does. */
#include "ctl/settings-file.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/home.h"
#include "base/name.h"
#include "base/path.h"
#include "ctl/spawner.h"

#define SUFFIX ".nspawn"

void settings_file_done(SettingsFile *f) {
        free(f->name);
        free(f->from);
        free(f->to);
        *f = (SettingsFile){};
}

/* The directories, first one first; the last one holds images, what is in there is not for editing. */
static int places(char ***ret) {
        int r = strv_consume(ret, home_etc("systemd/nspawn"));

        if (r >= 0)
                r = strv_consume(ret, home_run("systemd/nspawn"));
        if (r >= 0)
                r = strv_consume(ret, home_state("machines"));
        return r;
}

static int find_in_places(SettingsFile *f, Error *e) {
        _cleanup_strv_ char **all = NULL;
        int r = places(&all);

        for (size_t i = 0; r >= 0 && all[i] && !f->from; i++) {
                _cleanup_free_ char *path = path_join(all[i], f->name);

                if (!path)
                        return error_oom(e);
                if (access(path, F_OK) < 0)
                        continue;
                f->from = TAKE_PTR(path);
                /* What came with an image stays with the image. */
                if (all[i + 1])
                        r = str_replace(&f->to, f->from);
        }
        if (r >= 0 && !f->to) {
                f->to = path_join(all[0], f->name);
                r = f->to ? 0 : -ENOMEM;
        }
        return r < 0 ? error_oom(e) : 0;
}

int settings_file_find(const char *word, SettingsFile *ret, Error *e) {
        _cleanup_(settings_file_done) SettingsFile f = {};
        int r = 0;

        if (word[0] == '/') {
                if (!path_is_safe(word) || !*path_last(word))
                        return error_set(e, EINVAL, "'%.200s' cannot be the path of a file", word);
                r = str_replace(&f.name, path_last(word));
                if (r >= 0)
                        r = str_replace(&f.to, word);
                if (r >= 0 && access(word, F_OK) >= 0)
                        r = str_replace(&f.from, word);
                if (r < 0)
                        return error_oom(e);
        } else {
                f.name = str_format("%s%s", word, str_has_suffix(word, SUFFIX) ? "" : SUFFIX);
                if (!f.name)
                        return error_oom(e);
                if (!filename_is_valid(f.name) || streq(f.name, SUFFIX))
                        return error_set(e, EINVAL, "'%.80s' cannot be the name of a machine",
                                         word);
                r = find_in_places(&f, e);
                if (r < 0)
                        return r;
        }
        *ret = f;
        f = (SettingsFile){};
        return 0;
}

static int by_name(const void *a, const void *b) {
        return strcmp(path_last(*(char *const *) a), path_last(*(char *const *) b));
}

static bool has_name(char *const *paths, const char *name) {
        STRV_FOREACH(p, paths)
                if (streq(path_last(*p), name))
                        return true;
        return false;
}

int settings_file_drop_ins(const SettingsFile *f, char ***ret) {
        _cleanup_strv_ char **all = NULL, **found = NULL;
        int r = places(&all);

        STRV_FOREACH(place, all) {
                _cleanup_free_ char *path = r >= 0 ? str_format("%s/%s.d", *place, f->name) : NULL;
                _cleanup_dir_ DIR *d = path ? opendir(path) : NULL;
                struct dirent *entry;

                if (r >= 0 && !path)
                        return -ENOMEM;
                while (d && r >= 0 && (entry = readdir(d)))
                        if (entry->d_name[0] != '.' && str_has_suffix(entry->d_name, ".conf") &&
                            !has_name(found, entry->d_name))
                                r = strv_consume(&found, path_join(path, entry->d_name));
        }
        if (r < 0)
                return r;
        if (found)
                qsort(found, strv_length(found), sizeof(*found), by_name);
        *ret = TAKE_PTR(found);
        return 0;
}

/* A folder with an image of a name that nobody has, and the file beside it. */
static int try_beside(const char *folder, const char *path, Error *e) {
        _cleanup_free_ char *machine = str_format("edit-%s", folder + strlen(folder) - 6);
        _cleanup_free_ char *image = machine ? path_join(folder, machine) : NULL;
        _cleanup_free_ char *link = image ? str_format("%s" SUFFIX, image) : NULL;
        _cleanup_strv_ char **argv = NULL;
        int r;

        if (!link || strv_append_format(&argv, "--machine=%s", machine) < 0 ||
            strv_append_format(&argv, "--directory=%s", image) < 0 ||
            strv_append(&argv, "--settings=trusted") < 0)
                return error_oom(e);
        if (mkdir(image, 0755) < 0 || symlink(path, link) < 0)
                return error_set(e, errno, "cannot make '%s': %m", link);

        r = spawner_try(argv, e);
        if (r == -EINVAL && e) {
                /* It has read the link. */
                _cleanup_free_ char *text = strdup(e->text);
                const char *rest = text ? str_skip_prefix(text, link) : NULL;

                if (rest)
                        (void) snprintf(e->text, sizeof e->text, "%s%s", path, rest);
        }
        return r;
}

int settings_file_try(const char *path, Error *e) {
        char folder[] = "/tmp/skep-edit.XXXXXX";
        int r;

        if (!mkdtemp(folder))
                return error_set(e, errno, "cannot make a folder in /tmp: %m");
        r = try_beside(folder, path, e);
        (void) path_remove_tree(AT_FDCWD, folder);
        return r;
}
