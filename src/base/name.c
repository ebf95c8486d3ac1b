/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Name rules, see name.h. */
#include "base/name.h"

#include <ctype.h>
#include <limits.h>

bool hostname_is_valid(const char *s) {
        size_t n = strlen(s);
        char before = '.';

        if (n == 0 || n > HOST_NAME_LENGTH_MAX)
                return false;

        for (size_t i = 0; i <= n; i++) {
                char c = i < n ? s[i] : '.';
                if (c == '.' ? before == '.' || before == '-'
                             : !isalnum((unsigned char) c) && c != '-')
                        return false;
                if (c == '-' && before == '.')
                        return false;
                before = c;
        }
        return true;
}

char *hostname_clean(const char *s) {
        char *t = malloc(HOST_NAME_LENGTH_MAX + 1);
        size_t n = 0;

        if (!t)
                return NULL;

        for (; *s && n < HOST_NAME_LENGTH_MAX; s++) {
                char before = n > 0 ? t[n - 1] : '.';
                if (isalnum((unsigned char) *s))
                        t[n++] = *s;
                else if (*s == '-' && before != '.')
                        t[n++] = '-';
                else if (*s == '.' && before != '.') {
                        while (n > 0 && t[n - 1] == '-')
                                n--;
                        if (n > 0 && t[n - 1] != '.')
                                t[n++] = '.';
                }
        }
        while (n > 0 && (t[n - 1] == '-' || t[n - 1] == '.'))
                n--;
        t[n] = '\0';
        return t;
}

bool filename_is_valid(const char *s) {
        return *s && !streq(s, ".") && !streq(s, "..") && !strchr(s, '/') && strlen(s) <= NAME_MAX;
}

bool username_is_valid(const char *s) {
        if (!isalpha((unsigned char) *s) && *s != '_')
                return false;
        if (strlen(s) > 31)
                return false;
        for (const char *c = s + 1; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr("-_.", *c) && !(*c == '$' && !c[1]))
                        return false;
        return true;
}
