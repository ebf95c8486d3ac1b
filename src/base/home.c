/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the system's files are, and a user's, see home.h. Nobody is looked up: who has a session has a home
 * directory in the environment. */
#include "base/home.h"

#include <stdarg.h>

#define SCOPE "SKEP_SCOPE"

static const char *absolute(const char *variable) {
        const char *path = secure_getenv(variable);

        return path && path[0] == '/' ? path : NULL;
}

int home_set_user(void) {
        if (!absolute("XDG_RUNTIME_DIR") || !absolute("HOME"))
                return -ENXIO;
        return setenv(SCOPE, "user", true) < 0 ? -errno : 0;
}

bool home_is_user(void) {
        return streq_ptr(secure_getenv(SCOPE), "user") && absolute("XDG_RUNTIME_DIR") &&
               absolute("HOME");
}

char *home_below(const char *path) {
        const char *home = absolute("HOME");

        return home ? str_format("%s/%s", home, path) : NULL;
}

/* @variable: what names the user's directory; @below: where it is in the home directory without that */
static char *place(const char *system, const char *variable, const char *below, const char *format,
                   va_list ap) {
        _cleanup_free_ char *own = NULL, *path = NULL;
        const char *named = absolute(variable);

        if (vasprintf(&path, format, ap) < 0) {
                path = NULL;
                return NULL;
        }
        if (!home_is_user())
                return str_format("%s/%s", system, path);
        if (named)
                return str_format("%s/%s", named, path);
        own = home_below(below);
        return own ? str_format("%s/%s", own, path) : NULL;
}

char *home_run(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        char *path = place("/run", "XDG_RUNTIME_DIR", ".", format, ap);
        va_end(ap);
        return path;
}

char *home_etc(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        char *path = place("/etc", "XDG_CONFIG_HOME", ".config", format, ap);
        va_end(ap);
        return path;
}

char *home_state(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        char *path = place("/var/lib", "XDG_STATE_HOME", ".local/state", format, ap);
        va_end(ap);
        return path;
}
