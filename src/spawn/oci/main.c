/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-oci: the spawner's engine behind the command line of runc, for whoever drives containers through an OCI
 * runtime. Reads the options before the command, finds the command and runs it; what each does is in a file of
 * its own. */
#include <signal.h>
#include <unistd.h>

#include "app/help.h"
#include "app/report.h"
#include "base/fd.h"
#include "spawn/oci/oci.h"

static const char *const usage[] = { "[OPTION...] COMMAND [OPTION...] [ARGUMENT...]", NULL };

#define ROWS_MAX 128

/* All tables as one, for the texts that tell of all. */
typedef struct Texts {
        Verb verbs[32];
        Setting rows[ROWS_MAX];
        char headings[32][64];
        HelpPage page;
} Texts;

static bool is_repeated(const Texts *t, const Setting *row) {
        return settings_row_by_flag(t->rows, t->page.n_settings, row->flag) != NULL;
}

/* @all: those of the commands as well
 * @once: each flag only once, for completions */
static void fill_texts(Texts *t, bool all, bool once) {
        t->page = (HelpPage){ .program = "skep-oci",
                              .usage = usage,
                              .about = "Runs containers of OCI bundles for those who drive runc.",
                              .manual = "skep-oci(1)",
                              .verbs = t->verbs,
                              .settings = t->rows };
        for (size_t i = 0; i < n_oci_commands; i++)
                t->verbs[t->page.n_verbs++] = oci_commands[i].verb;
        for (size_t i = 0; i < n_oci_settings; i++)
                t->rows[t->page.n_settings++] = oci_settings[i];
        for (size_t i = 0; all && i < n_oci_commands; i++) {
                bool first = true;

                (void) snprintf(t->headings[i], sizeof t->headings[i], "Options of %s",
                                oci_commands[i].verb.name);
                for (size_t k = 0; k < oci_commands[i].n_rows; k++) {
                        const Setting *row = oci_commands[i].rows + k;

                        if (row->flags & SETTING_HIDDEN || (once && is_repeated(t, row)) ||
                            t->page.n_settings >= ROWS_MAX)
                                continue;
                        t->rows[t->page.n_settings] = *row;
                        t->rows[t->page.n_settings++].group = first ? t->headings[i] : NULL;
                        first = false;
                }
        }
}

/* The build asks for these. Return: as help_hidden(). */
static int hidden_texts(char *const *argv) {
        static Texts texts;

        if (!argv[0] || !str_skip_prefix(argv[0], "--print-"))
                return 0;
        fill_texts(&texts, true, str_skip_prefix(argv[0], "--print-completion"));
        return help_hidden(&texts.page, argv);
}

static int print_help(Buf *out) {
        static Texts texts;

        fill_texts(&texts, false, false);
        return help_print(&texts.page, 80, out);
}

static int print_command_help(const OciCommand *c, Buf *out) {
        _cleanup_free_ char *program = str_format("skep-oci %s", c->verb.name);
        _cleanup_free_ char *line = str_format("[OPTION...] %s", strempty(c->verb.args));
        const char *const lines[] = { line, NULL };
        const HelpPage page = { .program = program,
                                .usage = lines,
                                .about = c->verb.help,
                                .manual = "skep-oci(1)",
                                .settings = c->rows,
                                .n_settings = c->n_rows };

        return program && line ? help_print(&page, 80, out) : -ENOMEM;
}

static const OciCommand *find_command(const char *name) {
        for (size_t i = 0; i < n_oci_commands; i++)
                if (streq(oci_commands[i].verb.name, name))
                        return oci_commands + i;
        return NULL;
}

static int run_command(Oci *oci, const OciCommand *c, char *const *argv, Error *e) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_strv_ char **args = NULL;
        int r;

        settings_init(&s, c->rows, c->n_rows);
        r = settings_from_argv(&s, argv, 1, c->stop, &args, e);
        if (r >= 0)
                r = settings_apply(&s, &oci->o, e);
        if (r < 0)
                return r;
        if (oci->o.help)
                return print_command_help(c, &oci->out) < 0 ? error_oom(e) : 0;
        size_t n = strv_length(args);
        if (n < c->verb.min || n > c->verb.max)
                return error_set(e, EINVAL, "%s: too %s arguments, it takes %s", c->verb.name,
                                 n < c->verb.min ? "few" : "many",
                                 c->verb.args ? c->verb.args : "none");
        return c->run(oci, args, e);
}

static int run(Oci *oci, char *const *argv, Error *e) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_strv_ char **words = NULL;
        int r;

        settings_init(&s, oci_settings, n_oci_settings);
        r = settings_from_argv(&s, argv, 1, settings_stop_at_first, &words, e);
        if (r >= 0)
                r = settings_apply(&s, &oci->o, e);
        if (r < 0)
                return r;
        oci->log = (Log){ oci->o.log_file, oci->o.log_form, oci->o.debug };
        if (oci->o.systemd_cgroup)
                oci->o.manager = OCI_MANAGER_SYSTEMD;
        if (!oci->o.root && !(oci->o.root = strdup(CONTAINER_ROOT)))
                return error_oom(e);
        if (oci->o.version)
                return buf_printf(&oci->out, "skep-oci version %s\nspec: 1.2.0\n", SKEP_VERSION) < 0
                               ? error_oom(e)
                               : 0;
        if (oci->o.help || !words || streq(words[0], "help"))
                return print_help(&oci->out) < 0 ? error_oom(e) : 0;

        const OciCommand *c = find_command(words[0]);
        if (c)
                return run_command(oci, c, words + 1, e);
        (void) error_set(e, EINVAL, "unknown command '%.60s'", words[0]);
        log_error(&oci->log, e);
        return EXIT_NO_COMMAND;
}

static void oci_done(Oci *oci) {
        oci_options_done(&oci->o);
        buf_done(&oci->out);
}

int main(int argc, char **argv) {
        _cleanup_(oci_done) Oci oci = { .o.interval = 5 * 1000 * 1000 };
        Error e = {};
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        r = hidden_texts(argv + (argc > 0));
        if (r != 0)
                return r < 0 ? EXIT_FAILURE : 0;
        r = run(&oci, argv + (argc > 0), &e);
        if (r >= 0 && oci.out.n > 0) {
                int w = fd_write_all(STDOUT_FILENO, oci.out.p, oci.out.n);
                if (w < 0)
                        r = error_set(&e, w, "cannot write: %m");
        }
        if (r >= 0)
                return r;
        log_error(&oci.log, &e);
        return EXIT_FAILURE;
}
