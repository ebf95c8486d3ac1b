/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What verbs have in common beside the bus: doing something to each of several names, and getting their
 * output to the reader. */
#include "ctl/ctl.h"

#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/report.h"
#include "ctl/pager.h"

int ctl_report(Ctl *c, const Error *e) {
        (void) ctl_flush(c, NULL);
        return report_error(e);
}

int ctl_each(Ctl *c, char *const *names, int (*one)(Ctl *c, const char *name, Error *e)) {
        int status = EXIT_SUCCESS;

        STRV_FOREACH(name, names) {
                Error error = {};

                if (one(c, *name, &error) < 0)
                        status = ctl_report(c, &error);
        }
        return status;
}

bool ctl_is_json(const Ctl *c) {
        return c->o.json != CTL_JSON_OFF;
}

int ctl_print_table(Ctl *c, const Table *t, const char *noun, Error *e) {
        static const TableForm forms[] = {
                [CTL_JSON_OFF] = TABLE_TEXT,           [CTL_JSON_SHORT] = TABLE_JSON_SHORT,
                [CTL_JSON_PRETTY] = TABLE_JSON_PRETTY, [CTL_JSON_SEQ] = TABLE_JSON_SEQ,
                [CTL_JSON_SSE] = TABLE_JSON_SSE,
        };
        const char *term = getenv("TERM");
        struct winsize ws;
        TableStyle style = {
                .form = forms[c->o.json],
                .no_legend = c->o.no_legend,
                .ascii = c->ascii,
                .colours = c->out_is_tty && !getenv("NO_COLOR") && term && !streq(term, "dumb"),
                .lines_max = c->o.addresses == UINT_MAX ? 0 : c->o.addresses,
                .noun = noun,
        };

        if (c->out_is_tty && !c->o.full && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) >= 0)
                style.width = ws.ws_col;
        return table_format(t, &style, &c->out) < 0 ? error_oom(e) : 0;
}

int ctl_flush(Ctl *c, Error *e) {
        int r = pager_show(c->out.p, c->out.n, c->wants_pager && !c->o.no_pager, e);

        buf_done(&c->out);
        return r;
}

bool ctl_is_local(const Ctl *c) {
        return !c->o.host && !c->o.machine;
}
