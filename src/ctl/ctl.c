/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What verbs have in common beside the bus: doing something to each of several names, and getting their
 * output to the reader. */
#include "ctl/ctl.h"

#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/report.h"
#include "ctl/pager.h"

int ctl_exit_status(const Ctl *c, int r) {
        static const struct {
                int code, status;
        } kinds[] = {
                { ERR_NO_SUCH_MACHINE, 2 },
                { ERR_NO_SUCH_IMAGE, 2 },
                { ERR_NO_SUCH_TRANSFER, 2 },
                { ERR_NO_MACHINE_FOR_PID, 2 },
                { ENOENT, 2 },
                { ENXIO, 2 },
                { ESRCH, 2 },
                { EACCES, 3 },
                { EPERM, 3 },
                { ERR_NEEDS_INTERACTION, 3 },
                { EBUSY, 4 },
                { EEXIST, 4 },
                { ERR_MACHINE_EXISTS, 4 },
                { ERR_TRANSFER_IN_PROGRESS, 4 },
                { ETXTBSY, 4 },
                { EAGAIN, 4 },
                { EOPNOTSUPP, 5 },
                { ENOSYS, 5 },
                { ERR_NO_PRIVATE_NETWORKING, 5 },
                { ETIMEDOUT, 6 },
                { ETIME, 6 },
                { EINVAL, 7 },
                { E2BIG, 7 },
                { ENAMETOOLONG, 7 },
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (c->o.distinct && kinds[i].code == -r)
                        return kinds[i].status;
        return EXIT_FAILURE;
}

int ctl_report(Ctl *c, const Error *e) {
        int status = c->interrupted ? 128 + SIGINT : ctl_exit_status(c, e->code);

        (void) ctl_flush(c, NULL);
        (void) report_error(e);
        c->failed = c->failed == 0 || c->failed == status ? status : EXIT_FAILURE;
        return c->failed;
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

TableForm ctl_table_form(const Ctl *c) {
        static const TableForm forms[] = {
                [CTL_JSON_OFF] = TABLE_TEXT,           [CTL_JSON_SHORT] = TABLE_JSON_SHORT,
                [CTL_JSON_PRETTY] = TABLE_JSON_PRETTY, [CTL_JSON_SEQ] = TABLE_JSON_SEQ,
                [CTL_JSON_SSE] = TABLE_JSON_SSE,
        };

        return forms[c->o.json];
}

int ctl_print_table(Ctl *c, const Table *t, const char *noun, Error *e) {
        const char *term = getenv("TERM");
        struct winsize ws;
        TableStyle style = {
                .form = ctl_table_form(c),
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
