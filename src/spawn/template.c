/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a machine's directory of a template, see template.h. How trees are cloned is image/clone.c's. */
#include "spawn/template.h"

#include <unistd.h>

#include "base/path.h"
#include "image/clone.h"
#include "image/pool.h"
#include "image/subvolume.h"
#include "image/temporary.h"
#include "spawn/runtime.h"

/* The real path of something that need not be there, but its parent must. */
static int real_path(const char *path, char **ret) {
        _cleanup_free_ char *real = realpath(path, NULL);
        _cleanup_free_ char *parent = NULL, *real_parent = NULL;

        if (!real && errno != ENOENT)
                return -errno;
        if (!real) {
                parent = strndup(path, (size_t) (path_last(path) - path));
                if (!parent)
                        return -ENOMEM;
                real_parent = realpath(parent, NULL);
                if (!real_parent)
                        return -errno;
                real = path_join(real_parent, path_last(path));
                if (!real)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(real);
        return 0;
}

static int find_template(Spec *s, Error *e) {
        struct stat st;
        char *real = realpath(s->template_path, NULL);

        if (!real)
                return error_set(e, errno, "cannot find the template '%s': %m", s->template_path);
        free(s->template_path);
        s->template_path = real;
        if (stat(real, &st) < 0)
                return error_set(e, errno, "cannot look at the template '%s': %m", real);
        return S_ISDIR(st.st_mode)
                       ? 0
                       : error_set(e, ENOTDIR, "the template '%s' is not a directory", real);
}

/* Where the directory of a machine is to be that is not in the pool yet.
 * Return: 1; 0 it is there; -errno. */
static int place_in_pool(Spec *s, Error *e) {
        _cleanup_image_ Image *there = NULL;
        _cleanup_free_ char *pool = NULL;
        int r = pool_find(s->machine, &there, e);

        if (r != 0)
                return MIN(r, 0);
        r = pool_path(&pool, e);
        if (r < 0)
                return r;
        s->directory = path_join(pool, s->machine);
        return s->directory ? 1 : error_oom(e);
}

int template_resolve(Spec *s, Error *e) {
        char *real = NULL;
        int r;

        if (s->ephemeral && !s->directory) {
                s->directory = TAKE_PTR(s->template_path);
                return 0;
        }
        r = find_template(s, e);
        if (r < 0)
                return r;
        if (!s->directory && !s->machine)
                return error_set(e, EINVAL,
                                 "--template: say with --directory= or --machine= what"
                                 " is to be made of it");
        if (!s->directory)
                return place_in_pool(s, e);
        r = real_path(s->directory, &real);
        if (r < 0)
                return error_set(e, r, "cannot find the place of '%s': %m", s->directory);
        free(s->directory);
        s->directory = real;
        return 1;
}

/* Under a temporary name first, which is written down for the case that we are killed. */
static int make(const Spec *spec, const char *parent, int parent_fd, Run *run, Error *e) {
        _cleanup_fd_ int from = open(spec->template_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_fd_ int held = -EBADF;
        _cleanup_free_ char *name = NULL, *path = NULL;
        int r;

        if (from < 0)
                return error_set(e, errno, "cannot open '%s': %m", spec->template_path);
        r = temporary_name(path_last(spec->directory), &name);
        if (r < 0)
                return error_set(e, r, "cannot make a temporary name: %m");
        path = path_join(parent, name);
        r = path ? runtime_note(run, "tree", path, e) : error_oom(e);
        if (r < 0)
                return r;

        r = held = clone_tree(from, parent_fd, name, false, e);
        if (r >= 0 && syncfs(parent_fd) < 0)
                r = error_set(e, errno, "cannot write it to disk: %m");
        if (r >= 0 &&
            renameat2(parent_fd, name, parent_fd, path_last(spec->directory), RENAME_NOREPLACE) < 0)
                r = errno == EEXIST ? TEMPLATE_UNUSED
                                    : error_set(e, errno, "cannot give it its name: %m");
        else if (r >= 0)
                return fsync(parent_fd) < 0 ? error_set(e, errno, "cannot write it to disk: %m")
                                            : 0;
        (void) tree_remove(parent_fd, name);
        return r;
}

int template_apply(const Spec *spec, Run *run, Error *e) {
        const char *name = path_last(spec->directory);
        _cleanup_free_ char *parent = strndup(spec->directory, (size_t) (name - spec->directory));
        int r;

        if (!parent)
                return error_oom(e);
        if (access(spec->directory, F_OK) >= 0)
                return TEMPLATE_UNUSED;
        r = path_mkdirs(parent, 0700);
        if (r < 0)
                return error_set(e, r, "cannot make '%s': %m", parent);
        _cleanup_fd_ int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", parent);
        r = make(spec, parent, fd, run, e);
        return r < 0 ? error_wrap(e, r, "making '%s' of '%s'", spec->directory, spec->template_path)
                     : r;
}
