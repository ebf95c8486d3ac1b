/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cgroup2 tree, see cgroup.h. Only reads; groups are made by whoever starts a machine. */
#include "base/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/home.h"

/* Field 5 (mount point) of a mountinfo line whose file system type is cgroup2. */
static char *mountinfo_cgroup2(char *line) {
        char *type = strstr(line, " - cgroup2 "), *p = line;

        if (!type)
                return NULL;
        for (unsigned i = 0; i < 4 && p; i++)
                p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL;
        if (!p || p >= type)
                return NULL;
        p[strcspn(p, " ")] = '\0';
        return p;
}

int cgroup_mount(char **ret) {
        static const char *const usual[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        static const char *found; /* it does not move while we run */
        _cleanup_free_ char *text = NULL;
        struct statfs fs;

        /* The two usual places first: the kernel takes long to write mountinfo down. */
        for (size_t i = 0; i < ELEMENTSOF(usual) && !found; i++)
                if (statfs(usual[i], &fs) >= 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        found = usual[i];
        if (found) {
                *ret = strdup(found);
                return *ret ? 0 : -ENOMEM;
        }

        int r = file_read(AT_FDCWD, "/proc/self/mountinfo", 16 * 1024 * 1024, &text, NULL);
        if (r < 0)
                return r;
        for (char *line = text, *next; line && *line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                char *where = mountinfo_cgroup2(line);
                if (where)
                        return str_unescape(where, ret);
        }
        return -ENOENT;
}

int cgroup_parse_self(const char *text, char **ret) {
        for (const char *line = text; line && *line;) {
                const char *path = str_skip_prefix(line, "0::"), *end = line + strcspn(line, "\n");
                if (path && path[0] == '/') {
                        *ret = strndup(path, (size_t) (end - path));
                        return *ret ? 0 : -ENOMEM;
                }
                line = *end ? end + 1 : end;
        }
        return -ENODATA;
}

/* The kernel hands out the whole of such a file at once if there is room. */
static int read_membership(const char *path, char **ret) {
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        char text[4096];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

        if (n < 0)
                return -errno;
        if (n == sizeof text - 1)
                return file_read(AT_FDCWD, path, 64 * 1024, ret, NULL);
        text[n] = '\0';
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

int cgroup_of_pid(pid_t pid, char **ret) {
        _cleanup_free_ char *text = NULL;
        char path[64];

        if (pid == 0)
                (void) snprintf(path, sizeof path, "/proc/self/cgroup");
        else
                (void) snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
        int r = read_membership(path, &text);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        return cgroup_parse_self(text, ret);
}

static bool is_unit_name(const char *s, size_t n) {
        static const char *const suffixes[] = { ".service", ".scope", ".socket", ".mount",
                                                ".swap" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                size_t m = strlen(suffixes[i]);
                if (n > m && memcmp(s + n - m, suffixes[i], m) == 0)
                        return true;
        }
        return false;
}

/* The part of a path that the user's manager divides. Return: NULL = it is not below that. */
static const char *below_user_manager(const char *path) {
        char manager[48];

        (void) snprintf(manager, sizeof manager, "/user@%u.service/", (unsigned) getuid());
        const char *p = strstr(path, manager);
        return p ? p + strlen(manager) - 1 : NULL;
}

int cgroup_unit_of_path(const char *path, char **ret_unit, char **ret_rest) {
        if (home_is_user())
                path = below_user_manager(path);
        for (const char *p = strempty(path); *p;) {
                p += strspn(p, "/");
                size_t n = strcspn(p, "/");
                /* Names that would clash with kernel files carry one "_" in front. */
                size_t escape = n > 0 && p[0] == '_';
                bool slice = n > 6 && memcmp(p + n - 6, ".slice", 6) == 0;

                if (n > 0 && !slice && is_unit_name(p + escape, n - escape)) {
                        _cleanup_free_ char *unit = strndup(p + escape, n - escape);
                        char *rest = ret_rest ? strdup(p + n) : NULL;
                        if (!unit || (ret_rest && !rest)) {
                                free(rest);
                                return -ENOMEM;
                        }
                        *ret_unit = TAKE_PTR(unit);
                        if (ret_rest)
                                *ret_rest = rest;
                        return 0;
                }
                p += n;
        }
        return -ENXIO;
}
