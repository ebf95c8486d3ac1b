/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep: the command line client. Reads the options, runs one verb, prints what it has to say. The verbs
 * are in ctl-*.c; none of them decides what is allowed, that is for the services. */
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include "app/help.h"
#include "app/report.h"
#include "base/home.h"
#include "base/parse.h"
#include "ctl/verbs.h"

#define SYSTEMD_LIKE 261 /* whose machinectl we know all commands of */

static void ctl_done(Ctl *c) {
        agent_stop(&c->agent);
        c->bus = sd_bus_flush_close_unref(c->bus);
        buf_done(&c->out);
        ctl_options_done(&c->o);
        ctl_name_done(c);
}

/* Scripts take the second word for the version of systemd whose commands they may use. */
static int print_version(Ctl *c, Error *e) {
        int r = c->is_machinectl || c->is_importctl
                        ? buf_printf(&c->out, "systemd %d (skep %s)\n", SYSTEMD_LIKE, SKEP_VERSION)
                        : buf_printf(&c->out, "skep %s\n", SKEP_VERSION);

        return r < 0 ? error_oom(e) : 0;
}

/* "-s list" and "-o help" ask what there is. Return: 1 told, 0 neither was given, -errno. */
static int list_words(Ctl *c, Error *e) {
        int r = 0;

        if (streq_ptr(c->o.signal_word, "list")) {
                static const TableColumn columns[] = { { "signal" }, { "name" } };
                _cleanup_(table_freep) Table *t = NULL;

                r = table_new(columns, ELEMENTSOF(columns), &t);
                for (int i = 1; i <= SIGRTMAX && r >= 0; i++) {
                        r = table_add_number(t, (uint64_t) i);
                        if (r >= 0)
                                r = table_add_text(t, signal_name(i));
                }
                return r < 0 ? error_oom(e) : (r = ctl_print_table(c, t, NULL, e)) < 0 ? r : 1;
        }
        if (streq_ptr(c->o.output, "help")) {
                _cleanup_strv_ char **words = NULL;

                r = str_split(
                        settings_row_by_flag(ctl_settings, n_ctl_settings, "output")->complete, " ",
                        &words);
                STRV_FOREACH(word, words)
                        if (r >= 0 && !streq(*word, "help"))
                                r = buf_printf(&c->out, "%s\n", *word);
                return r < 0 ? error_oom(e) : 1;
        }
        return 0;
}

/* Return: exit status >= 0 or -errno. */
static int run(Ctl *c, char *const *argv, Error *e) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_strv_ char **positionals = NULL;
        int r;

        settings_init(&s, c->settings, c->n_settings);
        r = settings_from_argv(&s, argv, 1, ctl_stop, &positionals, e);
        if (r >= 0)
                r = settings_apply(&s, &c->o, e);
        if (r >= 0)
                r = ctl_options_finish(&c->o, e);
        if (r < 0)
                return r;

        /* What lies in files is looked for where the user has them. */
        if (c->o.user && !c->o.machine && home_set_user() < 0)
                return error_set(e, ENXIO,
                                 "--user takes a session of the user ($XDG_RUNTIME_DIR and $HOME)");
        if (c->o.quiet)
                report_set_level(LOG_WARNING);
        if (c->o.help)
                return ctl_help(c, positionals ? positionals[0] : NULL, e);
        if (c->o.version)
                return print_version(c, e);
        r = list_words(c, e);
        if (r != 0)
                return r < 0 ? r : EXIT_SUCCESS;
        return verb_run(c->verbs, c->n_verbs, positionals, c, e);
}

int main(int argc, char **argv) {
        _cleanup_(ctl_done) Ctl c = {};
        HelpPage page;
        Error error = {};
        int r;

        (void) setlocale(LC_CTYPE, "");
        (void) signal(SIGPIPE, SIG_IGN);
        if (ctl_name_init(&c, argc > 0 ? argv[0] : "skep") < 0)
                return EXIT_FAILURE;
        page = ctl_help_page(&c);
        report_init(page.program);
        r = help_hidden(&page, argv + 1);
        if (r != 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        ctl_options_init(&c.o);
        c.out_is_tty = isatty(STDOUT_FILENO);
        c.ascii = !streq(nl_langinfo(CODESET), "UTF-8");
        r = run(&c, argv + 1, &error);
        if (r < 0)
                return ctl_report(&c, &error);
        if (ctl_flush(&c, &error) < 0)
                return ctl_report(&c, &error);
        return r;
}
