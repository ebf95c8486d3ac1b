/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name for an image that was not given one. Whether it is a valid name, the daemon says. */
#include "ctl/archive-name.h"

#include "base/path.h"
#include "base/text.h"

char *archive_name(const char *path) {
        static const char *const suffixes[] = { ".tar", ".xz",  ".gz",  ".zst",
                                                ".bz2", ".tgz", ".txz", ".tzst" };
        char *name = strdup(path_last(path));
        bool again = name != NULL;

        while (again) {
                again = false;
                for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                        size_t n = strlen(name), k = strlen(suffixes[i]);

                        if (n > k && str_has_suffix(name, suffixes[i])) {
                                name[n - k] = 0;
                                again = true;
                        }
                }
        }
        return name;
}
