/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Places of OCI containers in the tree of control groups, see oci-cgroup.h. What is written into the files of
 * a group is in oci-resources.c; who is in it, the commands on containers ask themselves. */
#include "spawn/oci-cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/name.h"
#include "base/path.h"
#include "spawn/cgroup-place.h"

#define UNIT_NAME_MAX 255U

/* What leads out of the tree, or to where nobody expects it. */
static int check_path(const char *path, Error *e) {
        _cleanup_strv_ char **parts = NULL;

        if (str_split(path, "/", &parts) < 0)
                return error_oom(e);
        STRV_FOREACH(p, parts)
                if (streq(*p, "..") || streq(*p, "."))
                        return error_set(e, EINVAL, "cgroupsPath '%.120s' has a '%s' in it", path,
                                         *p);
        return 0;
}

int oci_cgroup_path(const char *where, const char *id, const char *own, char **ret, Error *e) {
        _cleanup_free_ char *below = NULL, *path = NULL, *up = NULL;
        int r = check_path(strempty(where), e);

        if (r < 0)
                return r;
        if (where && where[0] == '/')
                below = strdup("/");
        else
                below = strdup(own);
        if (!below)
                return error_oom(e);
        if (!where || where[0] != '/') {
                char *slash = strrchr(below, '/');
                if (slash)
                        *slash = '\0';
        }
        up = str_format("%s/%s", below, where && *where ? where : id);
        path = up ? path_clean(up) : NULL;
        if (!path)
                return error_oom(e);
        if (streq(path, "/"))
                return error_set(e, EINVAL, "cgroupsPath '%.120s' is the group of everybody",
                                 strempty(where));
        *ret = TAKE_PTR(path);
        return 0;
}

static bool is_unit_name(const char *s, const char *suffix) {
        size_t n = strlen(s);

        if (n > UNIT_NAME_MAX || n <= strlen(suffix) || !str_has_suffix(s, suffix))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                      (s[i] >= '0' && s[i] <= '9') || strchr(":-_.\\@", s[i])))
                        return false;
        return true;
}

int oci_cgroup_scope(const char *where, const char *id, char **ret_slice, char **ret_scope,
                     Error *e) {
        _cleanup_free_ char *copy = strdup(where && *where ? where : "::"), *scope = NULL;
        _cleanup_free_ char *slice = NULL;
        char *rest = copy, *part[3];

        if (!copy)
                return error_oom(e);
        for (size_t i = 0; i < ELEMENTSOF(part); i++)
                part[i] = strsep(&rest, ":");
        if (!part[2] || rest)
                return error_set(e, EINVAL, "cgroupsPath '%.120s' is not SLICE:PREFIX:NAME", where);
        slice = strdup(*part[0] ? part[0] : "system.slice");
        const char *name = *part[2] ? part[2] : id;
        scope = *part[1] ? str_format("%s-%s.scope", part[1], name) : str_format("%s.scope", name);
        if (!slice || !scope)
                return error_oom(e);
        if (!is_unit_name(slice, ".slice"))
                return error_set(e, EINVAL, "'%.120s' of cgroupsPath is not the name of a slice",
                                 slice);
        if (!is_unit_name(scope, ".scope"))
                return error_set(e, EINVAL, "'%.120s' cannot be the name of a scope", scope);
        *ret_slice = TAKE_PTR(slice);
        *ret_scope = TAKE_PTR(scope);
        return 0;
}

int oci_cgroup_fill(Spec *s, const char *where, const char *id, bool systemd, Error *e) {
        _cleanup_free_ char *own = NULL, *path = NULL, *slice = NULL, *scope = NULL;
        int r;

        if (systemd) {
                r = oci_cgroup_scope(where, id, &slice, &scope, e);
                if (r < 0)
                        return r;
                free(s->slice);
                free(s->scope);
                s->slice = TAKE_PTR(slice);
                s->scope = TAKE_PTR(scope);
                return 0;
        }
        if (cgroup_of_pid(0, &own) < 0)
                own = strdup("/");
        if (!own)
                return error_oom(e);
        r = oci_cgroup_path(where, id, own, &path, e);
        if (r < 0)
                return r;
        free(s->cgroup);
        s->cgroup = TAKE_PTR(path);
        return 0;
}

/* Whether the group, or one below it, has processes. */
static bool is_populated(int fd) {
        _cleanup_free_ char *text = NULL;

        return file_read(fd, "cgroup.events", 4096, &text, NULL) >= 0 &&
               strstr(text, "populated 1");
}

static int open_level(int fd, const char *name, Error *e) {
        if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
                return error_set(e, errno, "cannot make the control group '%s': %m", name);
        int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return below < 0 ? error_set(e, errno, "cannot open the control group '%s': %m", name)
                         : below;
}

int oci_cgroup_make(const char *path, Buf *missing, Error *e) {
        _cleanup_free_ char *mount = NULL;
        _cleanup_strv_ char **parts = NULL;
        _cleanup_fd_ int fd = -EBADF;
        int r = cgroup_mount(&mount);

        if (r < 0)
                return r;
        if (str_split(path, "/", &parts) < 0)
                return error_oom(e);
        fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", mount);
        STRV_FOREACH(p, parts) {
                Buf *tell = p[1] ? NULL : missing;
                int below;

                if (cgroup_place_hand_down(fd, tell) < 0)
                        return error_oom(e);
                below = open_level(fd, *p, e);
                if (below < 0)
                        return below;
                (void) close(fd);
                fd = below;
        }
        if (is_populated(fd))
                return error_set(e, EBUSY, "the control group '%s' already has processes", path);
        return TAKE_FD(fd);
}
