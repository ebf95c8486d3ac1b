/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fills and wraps Error values. Prints nothing: that is for src/app/report.c alone. */
#include "base/error.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/text.h"

#undef error_set
#undef error_wrap
#undef error_oom

void assert_failed(const char *what, const char *file, int line) {
        (void) dprintf(STDERR_FILENO, "%s:%d: assertion failed: %s\n", file, line, what);
        abort();
}

const char *error_errno_text(int err) {
        static __thread char buffer[128];

        return strerror_r(err < 0 ? -err : err, buffer, sizeof buffer);
}

/* One line of text is a promise of the type, whatever was formatted into it and wherever that was cut off. */
static void flatten(char *text) {
        for (char *c = text; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        *c = ' ';
        str_make_utf8(text);
}

int error_set(Error *e, int err, const char *format, ...) {
        assert_se(err != 0);
        if (err < 0)
                err = -err;
        if (!e)
                return -err;

        va_list ap;
        va_start(ap, format);
        errno = err;
        (void) vsnprintf(e->text, sizeof e->text, format, ap);
        va_end(ap);

        flatten(e->text);
        e->code = -err;
        return -err;
}

int error_wrap(Error *e, int r, const char *format, ...) {
        assert_se(r < 0);
        if (!e)
                return r;

        char old[sizeof e->text];
        (void) snprintf(old, sizeof old, "%s", e->code ? e->text : error_errno_text(r));

        va_list ap;
        va_start(ap, format);
        errno = -r;
        int n = vsnprintf(e->text, sizeof e->text, format, ap);
        va_end(ap);

        /* The cause is cut off at the end rather than the context at the front. */
        if (n >= 0 && (size_t) n + 2 < sizeof e->text) {
                size_t room = sizeof e->text - (size_t) n - 3;
                (void) snprintf(e->text + n, sizeof e->text - (size_t) n, ": %.*s", (int) room,
                                old);
        }
        flatten(e->text);
        e->code = r;
        return r;
}

int error_oom(Error *e) {
        return error_set(e, ENOMEM, "out of memory");
}
