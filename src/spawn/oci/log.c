/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines for the callers of an OCI runtime, see log.h. */
#include "spawn/oci/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"

static int format_line(const Log *l, const char *level, const char *text, Buf *out) {
        struct tm tm = {};
        time_t now = time(NULL);
        char stamp[32];
        int r;

        (void) gmtime_r(&now, &tm);
        (void) strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (l->form == LOG_FORM_JSON) {
                r = buf_printf(out, "{\"level\":\"%s\",\"msg\":", level);
                if (r >= 0)
                        r = json_puts(out, text);
                return r < 0 ? r : buf_printf(out, ",\"time\":\"%s\"}\n", stamp);
        }
        r = buf_printf(out, "time=\"%s\" level=%s msg=", stamp, level);
        if (r >= 0)
                r = json_puts(out, text);
        return r < 0 ? r : buf_puts(out, "\n");
}

/* One write, so that lines of several processes do not mix. A log that cannot be written is no reason not to
 * do what was asked for. */
static void print(const Log *l, const char *level, const char *text) {
        _cleanup_(buf_done) Buf line = {};
        _cleanup_fd_ int fd = -EBADF;

        if (format_line(l, level, text, &line) < 0)
                return;
        if (l->file)
                fd = open(l->file, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0600);
        (void) fd_write_all(fd < 0 ? STDERR_FILENO : fd, line.p, line.n);
}

void log_error(const Log *l, const Error *e) {
        const char *text = e->code != 0 ? e->text : "failed, and nobody said why";

        print(l, "error", text);
        if (l->file)
                (void) dprintf(STDERR_FILENO, "%s\n", text);
}

void log_warning(const Log *l, const char *text) {
        print(l, "warning", text);
}

void log_lines(const Log *l, Buf *lines) {
        char *save = NULL;

        if (lines->n == 0)
                return;
        for (char *n = strtok_r(lines->p, "\n", &save); n; n = strtok_r(NULL, "\n", &save))
                log_warning(l, n);
        lines->n = 0;
}

void log_debug(const Log *l, const char *format, ...) {
        char text[1024];
        va_list ap;

        if (!l->debug)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        print(l, "debug", text);
}
