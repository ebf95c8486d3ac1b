/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names in archives, see entry-path.h. Text only: symlinks are tree.c's concern. */
#include "importer/entry-path.h"

#include <limits.h>

int entry_path_clean(const char *path, char ret[static ENTRY_PATH_MAX], Error *e) {
        char clean[ENTRY_PATH_MAX];
        size_t n = 0, depth = 0;

        if (path[0] == '/')
                return error_set(e, EINVAL, "its path is absolute");

        for (const char *p = path; *p;) {
                size_t k = strcspn(p, "/");

                if (k == 2 && p[0] == '.' && p[1] == '.')
                        return error_set(e, EINVAL, "its path has a '..'");
                if (k > NAME_MAX)
                        return error_set(e, ENAMETOOLONG,
                                         "its path has a name of %zu bytes; %d is the most", k,
                                         NAME_MAX);
                if (k > 0 && !(k == 1 && p[0] == '.')) {
                        if (++depth > ENTRY_DEPTH_MAX)
                                return error_set(e, ENAMETOOLONG,
                                                 "its path is more than %d names deep",
                                                 ENTRY_DEPTH_MAX);
                        if (n + k + 2 > sizeof clean)
                                return error_set(e, ENAMETOOLONG,
                                                 "its path is longer than %d bytes",
                                                 ENTRY_PATH_MAX - 1);
                        if (n > 0)
                                clean[n++] = '/';
                        memcpy(clean + n, p, k);
                        n += k;
                }
                p += k + (p[k] == '/');
        }

        memcpy(ret, clean, n);
        ret[n] = '\0';
        return 0;
}
