/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a worker is, see output.h. What the lines to the daemon look like is record.c's to say, what
 * the bar looks like app/progress.c's. */
#include "importer/output.h"

#include <stdarg.h>
#include <syslog.h>
#include <unistd.h>

#include "app/report.h"
#include "base/fd.h"

/* Without a new percent the daemon is told that often. Its log is in memory. */
#define TELL_EVERY_USEC 1000000

void output_init(Output *o, int report_fd) {
        *o = (Output){ .fd = report_fd, .percent = UINT32_MAX };
}

int output_title(Output *o, const char *title) {
        return progress_new(STDERR_FILENO, title, 0, &o->bar);
}

void output_phase(Output *o, Phase phase) {
        if (o->has_phase && o->phase == phase)
                return;
        o->phase = phase;
        o->has_phase = true;
        if (o->fd >= 0)
                (void) record_write(o->fd, &(Record){ .type = RECORD_PHASE, .phase = phase });
}

static void tell(Output *o, double ratio, uint64_t done, uint64_t total, uint64_t now) {
        unsigned percent = ratio < 0 ? UINT32_MAX : (unsigned) (ratio * 100);

        if (percent == o->percent && now < o->told_usec + TELL_EVERY_USEC)
                return;
        o->percent = percent;
        o->told_usec = now;
        (void) record_write(o->fd, &(Record){ .type = RECORD_PROGRESS,
                                              .ratio = ratio,
                                              .done = done,
                                              .total = total });
}

void output_progress(Output *o, uint64_t done, uint64_t total) {
        if (o->tick)
                o->tick(o->tick_context, &done, &total);

        bool known = done != RECORD_UNKNOWN && total != RECORD_UNKNOWN && total > 0;
        double ratio = known ? MIN((double) done / (double) total, 1.0) : -1;
        uint64_t now = now_usec();

        if (o->bar)
                progress_update(o->bar, ratio, done, now);
        if (o->fd >= 0)
                tell(o, ratio, done, total, now);
}

void output_note(Output *o, int level, const char *format, ...) {
        char text[RECORD_LINE_MAX];
        va_list list;

        va_start(list, format);
        (void) vsnprintf(text, sizeof text, format, list);
        va_end(list);

        if (o->bar)
                progress_clear(o->bar);
        report(level, "%s", text);
        if (o->fd >= 0)
                (void) record_write(o->fd,
                                    &(Record){ .type = RECORD_LOG, .level = level, .text = text });
}

void output_finish(Output *o, int r, const Error *e) {
        Record end = { .type = r < 0    ? RECORD_FAILED
                               : r == 0 ? RECORD_DONE
                                        : RECORD_CANCELED,
                       .code = r,
                       .text = e->text };

        o->bar = progress_free(o->bar);
        if (o->fd < 0)
                return;
        if (r < 0)
                (void) record_write(o->fd, &(Record){ .type = RECORD_LOG,
                                                      .level = LOG_ERR,
                                                      .text = e->text });
        (void) record_write(o->fd, &end);
}
