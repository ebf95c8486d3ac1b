/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress of long work, see progress.h. Knows nothing of what the work is, reads no clock, and never
 * fails: what cannot be drawn is left undrawn. */
#include "app/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "app/table.h"
#include "base/fd.h"
#include "base/format.h"

#define USEC_PER_SEC    UINT64_C(1000000)
#define REDRAW_USEC     (USEC_PER_SEC / 10)
#define LINE_USEC       (10 * USEC_PER_SEC)
#define RATE_USEC       (USEC_PER_SEC / 2) /* shortest span that a rate is measured over */
#define BAR_MIN         10
#define BAR_MAX         40
#define SHOW_LEFT_AFTER (2 * USEC_PER_SEC) /* an estimate made earlier is mostly wrong */

struct Progress {
        int fd;
        char *title;
        uint64_t total;
        bool is_tty;
        bool drawn;
        bool started;
        uint64_t start_usec, shown_usec;
        int shown_tenth;
        /* For the rate: where we were at the last mark, and the smoothed figures since. */
        uint64_t mark_usec, mark_done;
        double mark_ratio;
        double bytes_per_usec, ratio_per_usec;
};

static bool known(uint64_t v) {
        return v > 0 && v != UINT64_MAX;
}

/* The bar itself; @inner columns between the brackets. */
static int draw_bar(const ProgressState *s, unsigned inner, Buf *out) {
        char cells[BAR_MAX + 1];

        memset(cells, ' ', inner);
        cells[inner] = 0;
        if (s->ratio >= 0) {
                unsigned full = MIN((unsigned) (s->ratio * inner), inner);

                memset(cells, '=', full);
                if (full < inner)
                        cells[full] = '>';
        } else {
                /* There and back again, a cell each tenth of a second. */
                unsigned period = 2 * (inner - 3);
                unsigned at = (unsigned) (s->spent_usec / REDRAW_USEC % period);

                memcpy(cells + (at < inner - 3 ? at : period - at), "<=>", 3);
        }
        return buf_printf(out, " [%s]", cells);
}

/* The figures after the bar, most wanted first. */
static int figures(const ProgressState *s, char ***ret) {
        _cleanup_strv_ char **v = NULL;
        char a[FORMAT_MAX], b[FORMAT_MAX];
        int r = 0;

        if (s->ratio >= 0)
                r = strv_append_format(&v, "%3u%%", (unsigned) (s->ratio * 100));
        if (r >= 0 && s->done != UINT64_MAX && known(s->total))
                r = strv_append_format(&v, "%s/%s", format_bytes(s->done, a),
                                       format_bytes(s->total, b));
        else if (r >= 0 && known(s->done))
                r = strv_append(&v, format_bytes(s->done, a));
        if (r >= 0 && known(s->rate))
                r = strv_append_format(&v, "%s/s", format_bytes(s->rate, a));
        if (r >= 0 && s->left_usec != UINT64_MAX && s->spent_usec >= SHOW_LEFT_AFTER)
                r = strv_append_format(&v, "%s left",
                                       format_span(s->left_usec / USEC_PER_SEC * USEC_PER_SEC, a));
        if (r >= 0 && s->phase)
                r = strv_append(&v, s->phase);
        if (r >= 0)
                *ret = TAKE_PTR(v);
        return r;
}

int progress_bar(const ProgressState *s, unsigned width, bool ascii, Buf *out) {
        _cleanup_strv_ char **v = NULL;
        _cleanup_free_ char *printable = text_printable(s->title, false), *title = NULL;
        int r = figures(s, &v);

        if (!printable || r < 0)
                return -ENOMEM;
        /* At most half of the line is the title. */
        title = text_cut(printable, width / 2, ascii);
        if (!title)
                return -ENOMEM;

        size_t used = text_width(title), n = 0;
        for (size_t i = 0; v && v[i] && used + 2 + strlen(v[i]) <= width; i++) {
                used += 2 + strlen(v[i]);
                n++;
        }
        r = buf_puts(out, title);
        if (r >= 0 && width >= used + 3 + BAR_MIN)
                r = draw_bar(s, (unsigned) MIN(width - used - 3, (size_t) BAR_MAX), out);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = buf_printf(out, "  %s", v[i]);
        return r;
}

int progress_line(const ProgressState *s, Buf *out) {
        _cleanup_free_ char *title = text_printable(s->title, false);
        char a[FORMAT_MAX], b[FORMAT_MAX];
        const char *comma = " ";
        int r = title ? buf_printf(out, "%s:", title) : -ENOMEM;

        if (r >= 0 && s->ratio >= 0) {
                r = buf_printf(out, " %u%%", (unsigned) (s->ratio * 100));
                comma = ", ";
        }
        if (r >= 0 && s->done != UINT64_MAX) {
                r = known(s->total) ? buf_printf(out, "%s%s of %s", comma, format_bytes(s->done, a),
                                                 format_bytes(s->total, b))
                                    : buf_printf(out, "%s%s", comma, format_bytes(s->done, a));
                comma = ", ";
        }
        if (r >= 0 && known(s->rate))
                r = buf_printf(out, "%s%s/s", comma, format_bytes(s->rate, a));
        return r;
}

int progress_new(int fd, const char *title, uint64_t total, Progress **ret) {
        _cleanup_(progress_freep) Progress *p = calloc(1, sizeof(*p));
        const char *term = getenv("TERM");

        if (!p)
                return -ENOMEM;
        p->fd = fd;
        p->title = strdup(title);
        if (!p->title)
                return -ENOMEM;
        p->total = total;
        p->shown_tenth = -1;
        p->is_tty = isatty(fd) && term && !streq(term, "dumb");
        *ret = TAKE_PTR(p);
        return 0;
}

static unsigned columns(int fd) {
        struct winsize ws;

        return ioctl(fd, TIOCGWINSZ, &ws) >= 0 && ws.ws_col > 0 ? ws.ws_col : 80;
}

/* Smoothed speed since the start: half of it is that of the last span measured. */
static void measure(Progress *p, double ratio, uint64_t done, uint64_t now) {
        uint64_t span = now - p->mark_usec;

        if (span < RATE_USEC)
                return;
        if (done != UINT64_MAX && done >= p->mark_done) {
                double v = (double) (done - p->mark_done) / (double) span;
                p->bytes_per_usec = p->bytes_per_usec > 0 ? (p->bytes_per_usec + v) / 2 : v;
                p->mark_done = done;
        }
        if (ratio >= p->mark_ratio) {
                double v = (ratio - p->mark_ratio) / (double) span;
                p->ratio_per_usec = p->ratio_per_usec > 0 ? (p->ratio_per_usec + v) / 2 : v;
                p->mark_ratio = ratio;
        }
        p->mark_usec = now;
}

static void show(Progress *p, const ProgressState *s) {
        _cleanup_(buf_done) Buf b = {};
        unsigned width = columns(p->fd);
        int r;

        if (!p->is_tty && s->ratio < 0 && s->done == UINT64_MAX)
                return; /* a line would say nothing */

        if (p->is_tty) {
                /* The last column stays free: some terminals wrap when it is filled. */
                r = buf_puts(&b, "\r\033[K");
                if (r >= 0)
                        r = progress_bar(s, width > 1 ? width - 1 : 1, true, &b);
        } else {
                r = progress_line(s, &b);
                if (r >= 0)
                        r = buf_puts(&b, "\n");
        }
        if (r >= 0) {
                (void) fd_write_all(p->fd, b.p, b.n);
                p->drawn = p->is_tty;
        }
}

static void begin(Progress *p, double ratio, uint64_t done, uint64_t now) {
        if (p->started)
                return;
        p->started = true;
        p->start_usec = p->mark_usec = now;
        p->mark_done = done != UINT64_MAX ? done : 0;
        p->mark_ratio = MAX(ratio, 0.0);
}

/* Not too often. */
static void show_if_due(Progress *p, const ProgressState *s, uint64_t now) {
        int tenth = s->ratio >= 0 ? (int) (s->ratio * 10) : -1;
        bool due = p->is_tty ? now - p->shown_usec >= REDRAW_USEC || !p->drawn
                             : tenth > p->shown_tenth || now - p->shown_usec >= LINE_USEC;

        if (!due)
                return;
        show(p, s);
        p->shown_usec = now;
        p->shown_tenth = tenth;
}

void progress_update(Progress *p, double ratio, uint64_t done, uint64_t now) {
        if (!(ratio >= 0))
                ratio = -1;
        ratio = MIN(ratio, 1.0);
        if (done == UINT64_MAX && ratio >= 0 && known(p->total))
                done = (uint64_t) (ratio * (double) p->total);
        begin(p, ratio, done, now);
        measure(p, ratio, done, now);

        double rate = p->bytes_per_usec * (double) USEC_PER_SEC;
        double left = p->ratio_per_usec > 0 && ratio >= 0 ? (1 - ratio) / p->ratio_per_usec : -1;
        const ProgressState s = {
                .title = p->title,
                .ratio = ratio,
                .done = done,
                .total = p->total,
                .rate = rate >= 1 && rate < 1e18 ? (uint64_t) rate : 0,
                .left_usec = left >= 0 && left < 1e15 ? (uint64_t) left : UINT64_MAX,
                .spent_usec = now - p->start_usec,
        };
        show_if_due(p, &s, now);
}

void progress_show(Progress *p, const ProgressState *s, uint64_t now) {
        ProgressState own = *s;

        begin(p, s->ratio, s->done, now);
        own.title = p->title;
        own.spent_usec = now - p->start_usec;
        show_if_due(p, &own, now);
}

void progress_clear(Progress *p) {
        if (p->drawn)
                (void) fd_write_all(p->fd, "\r\033[K", 4);
        p->drawn = false;
}

Progress *progress_free(Progress *p) {
        if (!p)
                return NULL;
        progress_clear(p);
        free(p->title);
        free(p);
        return NULL;
}
