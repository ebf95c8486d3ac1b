/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads lines of mountinfo, see mount-info.h. Who reads the file itself knows of which process. */
#include "base/mount-info.h"

#include <inttypes.h>

#include "base/text.h"

/* "\040" and the like, in place. */
static void unescape(char *s) {
        char *to = s;

        while (*s) {
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
                    s[3] >= '0' && s[3] <= '7') {
                        *to++ = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 4;
                } else
                        *to++ = *s++;
        }
        *to = '\0';
}

/* What stands behind " - ", the end of the optional fields; "" if nothing does. */
static char *copy_type(const char *rest) {
        const char *end = strchrnul(rest, '\n'), *dash = strstr(rest, " - ");

        if (!dash || dash > end)
                return strdup("");
        return strndup(dash + 3, strcspn(dash + 3, " \n"));
}

int mount_info_find(const char *text, uint64_t mount_id, char **ret, char **ret_type) {
        char wanted[24];

        (void) snprintf(wanted, sizeof wanted, "%" PRIu64 " ", mount_id);
        for (const char *line = text; line && *line;) {
                const char *p = str_skip_prefix(line, wanted);

                /* Parent, device and root come before the place. */
                for (unsigned i = 0; i < 3 && p; i++) {
                        p = strchr(p, ' ');
                        p = p ? p + 1 : NULL;
                }
                if (p) {
                        size_t n = strcspn(p, " \n");
                        _cleanup_free_ char *place = strndup(p, n);
                        char *type = ret_type ? copy_type(p + n) : NULL;

                        if (!place || (ret_type && !type)) {
                                free(type);
                                return -ENOMEM;
                        }
                        unescape(place);
                        *ret = TAKE_PTR(place);
                        if (ret_type)
                                *ret_type = type;
                        return 0;
                }
                line = strchr(line, '\n');
                line = line ? line + 1 : NULL;
        }
        return -ENOENT;
}
