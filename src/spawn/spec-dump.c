/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings in effect as text, for people and programs: every row of the table with its value and where
 * that comes from. The text is a settings file itself. Values come from the fields where the table
 * knows how to write them, so that they are what was made of what was given; else as they were given. */
#include "app/table.h"
#include "base/id128.h"
#include "spawn/spec-parse.h"
#include "spawn/spec-settings.h"

/* What one row has. */
typedef struct Value {
        const Setting *row;
        char *text;              /* NULL = nothing */
        const Assignment *given; /* NULL = by default, or worked out */
        bool is_worked_out;
} Value;

typedef struct Dump {
        const Settings *settings;
        const SpecCommand *command, *defaults;
        DumpForm form;
        Buf *out;     /* text */
        Table *table; /* JSON */
} Dump;

static bool is_own(const Dump *d, const Assignment *a, const Setting *row) {
        return settings_main_row(d->settings, a->row) == row;
}

static int format_quoted(char *const *words, Buf *out) {
        int r = 0;

        if (!words)
                return 0;
        STRV_FOREACH(w, words) {
                _cleanup_free_ char *escaped = str_escape(*w, "\"");
                if (r >= 0)
                        r = escaped ? buf_printf(out, "%s\"%s\"", w == words ? "" : " ", escaped)
                                    : -ENOMEM;
        }
        return r < 0 ? r : 1;
}

/* Return: as setting_format(). */
static int format_field(const Setting *row, const SpecCommand *c, Buf *out) {
        static const SettingParse strings[] = { spec_parse_hostname, spec_parse_user,
                                                spec_parse_slice };
        const void *field = (const char *) c + row->at;
        Setting like = *row;
        char id[ID128_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (row->parse == strings[i])
                        like.parse = setting_string;
        if (row->parse == setting_words)
                return format_quoted(*(char *const *const *) field, out);
        if (row->parse == spec_parse_boot || row->parse == spec_parse_as_pid2)
                return buf_puts(out,
                                c->spec.start == (row->parse == spec_parse_boot ? START_BOOT
                                                                                : START_AS_PID2)
                                        ? "yes"
                                        : "no") < 0
                               ? -ENOMEM
                               : 1;
        if (row->parse == spec_parse_uuid)
                return id128_is_null(field)                         ? 0
                       : buf_puts(out, id128_format(field, id)) < 0 ? -ENOMEM
                                                                    : 1;
        return setting_format(&like, field, out);
}

static const Assignment *find_own(const Dump *d, const Setting *row) {
        const Assignment *found = NULL;

        for (const Assignment *a = settings_next(d->settings, NULL); a;
             a = settings_next(d->settings, a))
                if (is_own(d, a, row))
                        found = a;
        return found;
}

/* The value of a setting that is no list. */
static int read_plain(const Dump *d, const Setting *row, Value *ret) {
        _cleanup_(buf_done) Buf now = {}, before = {};
        const Assignment *own = find_own(d, row);
        int r = format_field(row, d->command, &now);
        const char *text = own ? own->value : row->preset;

        *ret = (Value){ .row = row, .given = own };
        if (r == -ENOMEM || (r >= 0 && format_field(row, d->defaults, &before) < 0))
                return -ENOMEM;
        if (r >= 0) {
                text = now.p;
                ret->is_worked_out = !own && !streq_ptr(now.p, before.p);
        }
        if (text) {
                ret->text = strdup(text);
                if (!ret->text)
                        return -ENOMEM;
        }
        return 0;
}

/* One element of a list, as the main row of its setting would be given it. */
static int read_element(const Setting *row, const Assignment *a, Value *ret) {
        bool quote = row->parse == spec_parse_environment && a->row != row;
        _cleanup_free_ char *escaped = quote ? str_escape(a->value, "\"") : NULL;

        *ret = (Value){ .row = row, .given = a };
        ret->text = !quote ? strdup(a->value) : escaped ? str_format("\"%s\"", escaped) : NULL;
        return ret->text ? 0 : -ENOMEM;
}

/* Whether a line of a file can hold the value. */
static bool fits_in_file(const char *s) {
        size_t n = strlen(s);

        if (n > 0 && (s[0] == ' ' || s[n - 1] == ' ' || s[n - 1] == '\\'))
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) s[i] < ' ' || s[i] == 0x7f)
                        return false;
        return str_is_utf8(s, n);
}

static int put_text(Buf *out, const Value *v) {
        _cleanup_free_ char *printable = NULL;
        bool fits = !v->text || fits_in_file(v->text), is_key = v->row->key;
        char letter[] = { v->row->letter, '\0' }, place[512];
        const char *name = is_key ? v->row->key : v->row->flag ? v->row->flag : letter;
        int r = 0;

        if (!v->given && v->is_worked_out)
                r = buf_puts(out, "# worked out\n");
        else if (!v->given)
                ;
        else if (v->given->origin.file)
                r = buf_printf(out, "# %s:%u\n", v->given->origin.file, v->given->origin.line);
        else
                r = buf_printf(out, "# %s\n", settings_place(v->given, place, sizeof place));
        if (r >= 0 && !fits)
                r = buf_puts(out, "# a value that a file cannot hold:\n");
        if (r >= 0)
                r = buf_printf(out, "%s%s%s=", v->given && fits ? "" : "#",
                               is_key         ? ""
                               : v->row->flag ? "--"
                                              : "-",
                               name);
        if (!fits) {
                printable = text_printable(v->text, false);
                return r < 0 || !printable ? -ENOMEM : buf_printf(out, "%s\n", printable);
        }
        for (const char *c = strempty(v->text); *c && r >= 0; c++)
                r = *c == '%' && is_key ? buf_puts(out, "%%") : buf_append(out, c, 1);
        return r < 0 ? r : buf_puts(out, "\n");
}

static const TableColumn columns[] = {
        { .key = "section" }, { .key = "key" },    { .key = "option" },
        { .key = "value" },   { .key = "origin" }, { .key = "variable" },
        { .key = "file" },    { .key = "line" },   { .key = "trusted" },
};

static int put_row(Table *t, const Value *v) {
        const SettingOrigin *o = v->given ? &v->given->origin : NULL;
        char option[64] = "";

        if (v->row->flag)
                (void) snprintf(option, sizeof option, "--%s", v->row->flag);
        else if (v->row->letter)
                (void) snprintf(option, sizeof option, "-%c", v->row->letter);
        int r = v->row->section ? table_add_text(t, v->row->section) : table_add_empty(t);
        if (r >= 0)
                r = v->row->key ? table_add_text(t, v->row->key) : table_add_empty(t);
        if (r >= 0)
                r = *option ? table_add_text(t, option) : table_add_empty(t);
        if (r >= 0)
                r = v->text ? table_add_text(t, v->text) : table_add_empty(t);
        if (r >= 0)
                r = table_add_text(t, o                  ? o->file           ? "file"
                                                               : o->variable ? "environment"
                                                                             : "command-line"
                                      : v->is_worked_out ? "worked-out"
                                                         : "default");
        if (r >= 0)
                r = o && o->variable ? table_add_text(t, o->variable) : table_add_empty(t);
        if (r >= 0)
                r = o && o->file ? table_add_text(t, o->file) : table_add_empty(t);
        if (r >= 0)
                r = o && o->file ? table_add_number(t, o->line) : table_add_empty(t);
        return r < 0 ? r : o ? table_add_bool(t, o->trusted) : table_add_empty(t);
}

/* Takes the value. */
static int put_value(const Dump *d, Value *v) {
        int r = d->form == DUMP_JSON ? put_row(d->table, v) : put_text(d->out, v);

        free(v->text);
        return r;
}

static int dump_row(const Dump *d, const Setting *row) {
        bool is_list = row->flags & SETTING_LIST, any = false;
        Value v;
        int r = 0;

        if (!is_list) {
                r = read_plain(d, row, &v);
                return r < 0 ? r : put_value(d, &v);
        }
        for (const Assignment *a = settings_next(d->settings, NULL); a && r >= 0;
             a = settings_next(d->settings, a)) {
                if (!is_own(d, a, row))
                        continue;
                any = true;
                r = read_element(row, a, &v);
                if (r >= 0)
                        r = put_value(d, &v);
        }
        v = (Value){ .row = row };
        return r < 0 || any ? r : put_value(d, &v);
}

/* What is about this call alone, or about nothing. */
static bool is_shown(const Dump *d, const Setting *row) {
        static const size_t not_about_machines[] = { offsetof(SpecCommand, help),
                                                     offsetof(SpecCommand, version),
                                                     offsetof(SpecCommand, nothing),
                                                     offsetof(SpecCommand, spec.dump),
                                                     offsetof(SpecCommand, spec.dry_run) };

        for (size_t i = 0; i < ELEMENTSOF(not_about_machines); i++)
                if (row->at == not_about_machines[i])
                        return false;
        return !(row->flags & SETTING_HIDDEN) && settings_main_row(d->settings, row) == row;
}

/* The rows of one section; NULL = those that files cannot have. */
static int dump_section(const Dump *d, const char *section) {
        int r = 0;

        if (d->form == DUMP_TEXT)
                r = buf_printf(d->out, "\n[%s]\n", section ? section : "X-Options");
        for (size_t i = 0; i < d->settings->n_rows && r >= 0; i++) {
                const Setting *row = d->settings->rows + i;
                if (is_shown(d, row) && streq_ptr(row->section, section))
                        r = dump_row(d, row);
        }
        return r;
}

static void command_done(SpecCommand *c) {
        spec_done(&c->spec);
}

int spec_dump(const Settings *s, const SpecCommand *c, DumpForm form, Buf *out) {
        static const char *const sections[] = { "Exec", "Files", "Network", NULL };
        static const TableStyle style = { .form = TABLE_JSON_PRETTY };
        _cleanup_(command_done) SpecCommand defaults = {};
        _cleanup_(table_freep) Table *table = NULL;
        int r = 0;

        spec_init(&defaults.spec);
        if (form == DUMP_JSON)
                r = table_new(columns, ELEMENTSOF(columns), &table);
        else
                r = buf_printf(out,
                               "# Settings of machine '%s'; what nobody has set is commented out\n",
                               strempty(c->spec.machine));
        STRV_FOREACH(f, s->files)
                if (r >= 0 && form == DUMP_TEXT)
                        r = buf_printf(out, "# read: %s\n", *f);

        const Dump d = { s, c, &defaults, form, out, table };
        for (size_t i = 0; i < ELEMENTSOF(sections) && r >= 0; i++)
                r = dump_section(&d, sections[i]);
        return r < 0 || form == DUMP_TEXT ? r : table_format(table, &style, out);
}
