/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the few files by which a tree tells what it is. Runs no code of the tree; the tree is taken for
 * hostile. Disks have to be mounted by somebody else first. */
#include "image/metadata.h"

#include "base/name.h"
#include "base/path.h"
#include "image/os-release.h"

#define LINE_FILE_SIZE_MAX 4096

static const char *const os_release_paths[] = { "/etc/os-release", "/usr/lib/os-release" };

/* Reads @path. Return: 1; 0 = it is not there; -errno. */
static int read_optional(int root_fd, const char *path, size_t max, char **ret, size_t *ret_n,
                         Error *e) {
        int r = path_read_in_root(root_fd, path, max, ret, ret_n);

        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r == -EINVAL)
                return error_set(e, r, "%s in the tree is not a regular file", path);
        return r < 0 ? error_set(e, r, "cannot read %s in the tree: %m", path) : 1;
}

static int read_assignments(int root_fd, const char *path, char ***ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = read_optional(root_fd, path, OS_RELEASE_SIZE_MAX, &text, &n, e);
        if (r <= 0)
                return r;
        r = os_release_parse(text, n, ret, e);
        return r < 0 ? error_wrap(e, r, "%s in the tree", path) : 1;
}

int metadata_os_release(int root_fd, char ***ret, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(os_release_paths); i++) {
                int r = read_assignments(root_fd, os_release_paths[i], ret, e);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        return error_set(e, ENOENT, "no os-release file in the tree");
}

int metadata_machine_info(int root_fd, char ***ret, Error *e) {
        char **entries = NULL;
        int r = read_assignments(root_fd, "/etc/machine-info", &entries, e);

        if (r < 0)
                return r;
        *ret = entries;
        return 0;
}

int metadata_hostname(int root_fd, char **ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        char *name = NULL;
        size_t n;
        int r;

        r = read_optional(root_fd, "/etc/hostname", LINE_FILE_SIZE_MAX, &text, &n, e);
        if (r < 0)
                return r;

        /* The first line that is not a comment. */
        char *save = NULL;
        for (char *line = r > 0 ? strtok_r(text, "\n", &save) : NULL; line;
             line = strtok_r(NULL, "\n", &save)) {
                line = str_strip(line);
                if (*line == '\0' || *line == '#')
                        continue;
                if (hostname_is_valid(line) && !(name = strdup(line)))
                        return error_oom(e);
                break;
        }

        *ret = name;
        return 0;
}

int metadata_machine_id(int root_fd, Id128 *ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        Id128 id = {};
        size_t n;
        int r;

        r = read_optional(root_fd, "/etc/machine-id", LINE_FILE_SIZE_MAX, &text, &n, e);
        if (r < 0)
                return r;

        if (r > 0) {
                const char *s = str_strip(text);

                if (*s && !streq(s, "uninitialized") &&
                    (strlen(s) != 32 || id128_parse(s, &id) < 0))
                        return error_set(e, EINVAL, "/etc/machine-id in the tree holds no ID");
        }
        *ret = id;
        return 0;
}

int metadata_is_os_tree(int root_fd, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(os_release_paths); i++) {
                _cleanup_fd_ int fd = path_open_in_root(root_fd, os_release_paths[i], O_PATH, 0);

                if (fd >= 0)
                        return 1;
                if (fd != -ENOENT && fd != -ENOTDIR)
                        return error_set(e, fd, "cannot look at %s in the tree: %m",
                                         os_release_paths[i]);
        }
        return 0;
}
