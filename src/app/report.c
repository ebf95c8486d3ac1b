/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The printer, see report.h. The only file below the mains that writes to stderr. */
#include "app/report.h"

#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/parse.h"

static struct {
        const char *program;
        int level;
        bool journal;
} reporter = { .program = "skep", .level = LOG_INFO };

static const char *const level_names[] = { "emerg",   "alert",  "crit", "err",
                                           "warning", "notice", "info", "debug" };

/* $JOURNAL_STREAM tells device and inode of the stream that the manager gave us: if stderr is still
 * that one, the reader understands levels. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
               fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == dev && st.st_ino == ino;
}

void report_init(const char *program) {
        const char *own = getenv("SKEP_LOG_LEVEL");
        const char *wanted = own ? own : getenv("SYSTEMD_LOG_LEVEL");
        uint64_t level;

        reporter.program = program;
        reporter.journal = stderr_is_journal();
        if (!wanted)
                return;
        if (parse_u64(wanted, 0, LOG_DEBUG, &level) >= 0)
                reporter.level = (int) level;
        for (int i = 0; i < (int) ELEMENTSOF(level_names); i++)
                if (streq(level_names[i], wanted))
                        reporter.level = i;
}

void report_set_level(int level) {
        reporter.level = level;
}

/* One write per line, so that lines of several processes do not mix. */
static void print_line(int level, const char *text) {
        char prefix[64];

        if (level > reporter.level)
                return;
        if (reporter.journal)
                (void) snprintf(prefix, sizeof prefix, "<%d>", level);
        else
                (void) snprintf(prefix, sizeof prefix, "%s: %s", reporter.program,
                                level == LOG_WARNING ? "warning: " : "");

        struct iovec iov[] = {
                { .iov_base = prefix, .iov_len = strlen(prefix) },
                { .iov_base = (void *) text, .iov_len = strlen(text) },
                { .iov_base = (void *) "\n", .iov_len = 1 },
        };
        (void) !writev(STDERR_FILENO, iov, ELEMENTSOF(iov));
}

static void print_format(int level, const char *format, va_list ap) {
        char text[2048];

        (void) vsnprintf(text, sizeof text, format, ap);
        for (char *c = text; *c; c++)
                if ((unsigned char) *c < ' ' && *c != '\t')
                        *c = ' ';
        print_line(level, text);
}

int report_error(const Error *e) {
        print_line(LOG_ERR, e->code != 0 ? e->text : "failed, and nobody said why");
        return EXIT_FAILURE;
}

void report_warning(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        print_format(LOG_WARNING, format, ap);
        va_end(ap);
}

void report_note(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        print_format(LOG_INFO, format, ap);
        va_end(ap);
}

void report(int level, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        print_format(level, format, ap);
        va_end(ap);
}
