/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the command line and the settings file to a Spec. Which file belongs to a machine hangs on its
 * name, which hangs on the command line: so that is read twice, once alone to learn what file to look
 * for, and then together with it. */
#include "spawn/spec-settings.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "spawn/capability.h"
#include "spawn/mount-plan.h"
#include "spawn/spec-files.h"
#include "spawn/spec-parse.h"

/* Where an assignment comes from, the weakest first. */
enum {
        RANK_ENVIRONMENT = 1,
        RANK_TYPED_BELOW, /* the command line with --settings=override */
        RANK_UNTRUSTED,   /* files beside the image */
        RANK_FILE,        /* files of the administrator */
        RANK_TYPED,       /* the command line */
};

static void command_done(SpecCommand *c) {
        spec_done(&c->spec);
}

/* What the command line alone says, to find the settings file by. */
static int resolve_command_line(Settings *s, SpecCommand *c, Error *e) {
        spec_init(&c->spec);
        int r = settings_apply(s, c, e);

        if (r < 0 || c->help || c->version || c->spec.join || c->spec.attach)
                return r;
        return spec_resolve(&c->spec, NULL, e);
}

static int serve_help(const SpecCommand *c, Error *e) {
        _cleanup_(buf_done) Buf out = {};
        struct winsize size = {};
        int r;

        if (c->help) {
                (void) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
                r = help_print(spec_help(), size.ws_col, &out);
        } else
                r = buf_printf(&out, "skep %s\n", SKEP_VERSION);
        if (r < 0)
                return error_oom(e);
        r = fd_write_all(STDOUT_FILENO, out.p, out.n);
        return r < 0 ? error_set(e, r, "cannot write: %m") : SPEC_READ_DONE;
}

static int serve_dump(const Settings *s, const SpecCommand *c, Error *e) {
        _cleanup_(buf_done) Buf out = {};

        if (spec_dump(s, c, c->spec.dump, &out) < 0)
                return error_oom(e);
        int r = fd_write_all(STDOUT_FILENO, out.p, out.n);
        return r < 0 ? error_set(e, r, "cannot write: %m") : SPEC_READ_DONE;
}

/* Positional arguments are Parameters= of the command line. */
static int add_arguments(Settings *s, char *const *rest, Error *e) {
        static const SettingOrigin origin = { .trusted = true };
        _cleanup_(buf_done) Buf text = {};
        const Setting *row = NULL;
        int r = 0;

        for (size_t i = 0; i < s->n_rows; i++)
                if (s->rows[i].at == offsetof(SpecCommand, spec.argv))
                        row = s->rows + i;
        STRV_FOREACH(word, rest) {
                _cleanup_free_ char *escaped = str_escape(*word, "\"");
                if (r >= 0)
                        r = escaped ? buf_printf(&text, "%s\"%s\"", text.n > 0 ? " " : "", escaped)
                                    : -ENOMEM;
        }
        if (r < 0)
                return error_oom(e);
        return text.n > 0 ? settings_add(s, row, text.p, &origin, RANK_TYPED, e) : 0;
}

/* --boot and --as-pid2 share a field, so that those of two files, or of a file and the command line, do
 * not add up; given side by side they are a mistake. */
static int check_start(const Settings *s, Error *e) {
        const Assignment *last = settings_find(s, offsetof(SpecCommand, spec.start));

        for (size_t i = 0; last && i < s->n; i++) {
                const Assignment *a = s->list + i;
                StartMode one = _START_MODE_INVALID, other = _START_MODE_INVALID;

                if (a->row->at != last->row->at || a->row == last->row ||
                    !streq_ptr(a->origin.file, last->origin.file))
                        continue;
                if (a->row->parse(a->row, a->value, &one, NULL) >= 0 && one >= 0 &&
                    last->row->parse(last->row, last->value, &other, NULL) >= 0 && other >= 0)
                        return error_set(e, EINVAL, "%s%s--%s and --%s exclude each other",
                                         strempty(a->origin.file), a->origin.file ? ": " : "",
                                         a->row->flag, last->row->flag);
        }
        return 0;
}

static int list_capabilities(Buf *out) {
        for (unsigned i = 0; capability_name(i); i++)
                if (buf_printf(out, "%s\n", capability_name(i)) < 0)
                        return -ENOMEM;
        return 0;
}

static int list_limits(Buf *out) {
        for (int i = 0; i < LIMITS_MAX; i++)
                if (buf_printf(out, "%s\n", limit_name(i)) < 0)
                        return -ENOMEM;
        return 0;
}

static int list_signals(Buf *out) {
        for (int i = 1; i <= SIGRTMAX; i++)
                if (buf_printf(out, "%s\n", signal_name(i)) < 0)
                        return -ENOMEM;
        return 0;
}

static int list_words(const char *words, Buf *out) {
        _cleanup_strv_ char **list = NULL;

        if (str_split(words, " ", &list) < 0)
                return -ENOMEM;
        STRV_FOREACH(word, list)
                if (buf_printf(out, "%s\n", *word) < 0)
                        return -ENOMEM;
        return 0;
}

/* Names that are too many for the row. Return: whether the option has such; @ret_r as of the lister */
static bool list_names(const Setting *row, Buf *out, int *ret_r) {
        static const struct {
                SettingParse parse;
                int (*list)(Buf *out);
        } lists[] = {
                { spec_parse_capabilities, list_capabilities },
                { spec_parse_ambient, list_capabilities },
                { limit_setting_named, list_limits },
                { spec_parse_system_calls, seccomp_list_help },
                { spec_parse_families, family_list_help },
                { spec_parse_unmask, mount_plan_help },
                { setting_signal, list_signals },
        };

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (row->parse == lists[i].parse) {
                        *ret_r = lists[i].list(out);
                        return true;
                }
        return false;
}

/* --OPTION=help prints what there is to choose from. Return: 1 if that was asked for. */
static int serve_values(const Settings *s, Error *e) {
        _cleanup_(buf_done) Buf out = {};
        bool asked = false;
        int r = 0;

        for (size_t i = 0; i < s->n && r >= 0 && !asked; i++) {
                const Setting *row = s->list[i].row;
                bool is_choice = row->complete && !help_is_class(row->complete);

                if (!streq(s->list[i].value, "help"))
                        continue;
                asked = true;
                if (is_choice)
                        r = list_words(row->complete, &out);
                else
                        asked = list_names(row, &out, &r);
        }
        if (r < 0)
                return error_oom(e);
        if (!asked)
                return 0;
        r = fd_write_all(STDOUT_FILENO, out.p, out.n);
        return r < 0 ? error_set(e, r, "cannot write: %m") : SPEC_READ_DONE;
}

static void hand_out(Spec *spec, Spec *ret) {
        spec_done(ret);
        *ret = *spec;
        spec_init(spec);
}

/* No settings file has a say in what is removed. */
static int take_cleanup(Spec *spec, const Settings *s, char *const *rest, Spec *ret, Error *e) {
        if (!settings_find(s, offsetof(SpecCommand, spec.machine)) &&
            !settings_find(s, offsetof(SpecCommand, spec.directory)) &&
            !settings_find(s, offsetof(SpecCommand, spec.image)))
                return error_set(e, EINVAL, "--cleanup needs --machine=, --directory= or --image=");
        if (spec->ephemeral || rest)
                return error_set(e, EINVAL,
                                 "--cleanup goes with neither --ephemeral nor a command");
        hand_out(spec, ret);
        return 0;
}

/* Nothing at all goes with asking for a console. */
static int take_attach(Spec *spec, const Settings *s, Spec *ret, Error *e) {
        for (size_t i = 0; i < s->n; i++) {
                const Assignment *a = s->list + i;
                char place[64];

                if (a->rank != RANK_ENVIRONMENT && a->row->at != offsetof(Spec, attach) &&
                    a->row->at != offsetof(Spec, quiet))
                        return error_set(e, EINVAL, "%s does not go with --attach",
                                         settings_place(a, place, sizeof place));
        }
        hand_out(spec, ret);
        return 0;
}

/* Nothing that makes a machine goes with a command in one that is there. */
static int take_join(Spec *spec, const Settings *s, Spec *ret, Error *e) {
        static const size_t fields[] = {
                offsetof(Spec, join),    offsetof(Spec, argv),
                offsetof(Spec, user),    offsetof(Spec, environment),
                offsetof(Spec, console), offsetof(Spec, working_directory),
                offsetof(Spec, quiet),   offsetof(SpecCommand, nothing),
        };

        for (size_t i = 0; i < s->n; i++) {
                const Assignment *a = s->list + i;
                char place[64];
                bool known = a->rank == RANK_ENVIRONMENT;

                for (size_t j = 0; j < ELEMENTSOF(fields); j++)
                        known = known || a->row->at == fields[j];
                if (!known)
                        return error_set(e, EINVAL, "%s does not go with --join",
                                         settings_place(a, place, sizeof place));
        }
        if (spec->console == CONSOLE_READ_ONLY || spec->console == CONSOLE_PASSIVE)
                return error_set(e, EINVAL, "--join has the consoles interactive, pipe, autopipe");
        if (!*spec->join)
                return error_set(e, EINVAL, "--join needs a name or a PID");
        hand_out(spec, ret);
        return 0;
}

/* From the command line, the files it names, and what belongs to the image. */
static int read_machine(Settings *s, const Spec *first, Spec *ret, char ***ret_notes, Error *e) {
        _cleanup_(command_done) SpecCommand final = {};
        int r;

        for (size_t i = 0; i < s->n && first->settings_mode == SETTINGS_OVERRIDE; i++)
                if (s->list[i].rank == RANK_TYPED)
                        s->list[i].rank = RANK_TYPED_BELOW;
        if (first->settings_mode != SETTINGS_NO) {
                r = spec_files_read(s, first, RANK_UNTRUSTED, RANK_FILE, e);
                if (r < 0)
                        return r;
        }

        spec_init(&final.spec);
        r = settings_apply(s, &final, e);
        if (r >= 0)
                r = check_start(s, e);
        if (r >= 0)
                r = spec_resolve(&final.spec, first, e);
        if (r >= 0)
                r = spec_check(&final.spec, s, e);
        if (r < 0)
                return r;
        if (final.spec.dump != DUMP_NO) {
                r = serve_dump(s, &final, e);
                *ret_notes = TAKE_PTR(s->notes);
                return r;
        }

        final.spec.settings_files = TAKE_PTR(s->files);
        hand_out(&final.spec, ret);
        *ret_notes = TAKE_PTR(s->notes);
        return 0;
}

int spec_read(char *const *argv, Spec *ret, char ***ret_notes, Error *e) {
        _cleanup_(settings_done) Settings s;
        _cleanup_(command_done) SpecCommand first = {};
        _cleanup_strv_ char **rest = NULL;
        size_t n;
        const Setting *rows = spec_settings(&n);

        settings_init(&s, rows, n);
        int r = spec_read_environment(&s, RANK_ENVIRONMENT, e);
        if (r >= 0)
                r = settings_from_argv(&s, argv, RANK_TYPED, settings_stop_at_first, &rest, e);
        if (r >= 0)
                r = add_arguments(&s, rest, e);
        if (r >= 0)
                r = serve_values(&s, e);
        if (r == 0)
                r = resolve_command_line(&s, &first, e);
        if (r != 0)
                return r;
        if (first.help || first.version)
                return serve_help(&first, e);
        if (first.spec.attach)
                return take_attach(&first.spec, &s, ret, e);
        if (first.spec.join)
                return take_join(&first.spec, &s, ret, e);
        if (first.spec.cleanup)
                return take_cleanup(&first.spec, &s, rest, ret, e);
        if (first.spec.oci_bundle) {
                r = spec_take_bundle(&first.spec, &s, ret_notes, e);
                if (r >= 0)
                        hand_out(&first.spec, ret);
                return MIN(r, 0);
        }
        return read_machine(&s, &first.spec, ret, ret_notes, e);
}
