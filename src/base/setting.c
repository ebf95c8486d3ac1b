/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings table engine, see setting.h. Knows no setting by name; reads no files itself. */
#include "base/setting.h"

#include "base/ini.h"
#include "base/parse.h"
#include "base/path.h"

void settings_init(Settings *s, const Setting *rows, size_t n_rows) {
        *s = (Settings){ .rows = rows, .n_rows = n_rows };
}

void settings_done(Settings *s) {
        for (size_t i = 0; i < s->n; i++)
                free(s->list[i].value);
        free(s->list);
        (void) strv_free(s->files);
        (void) strv_free(s->notes);
        *s = (Settings){};
}

int setting_argument(const Setting *row) {
        return !row->metavar ? 0 : row->metavar[0] == '[' ? 2 : 1;
}

int settings_add(Settings *s, const Setting *row, const char *value, const SettingOrigin *origin,
                 unsigned rank, Error *e) {
        if (s->n == SETTINGS_MAX)
                return error_set(e, E2BIG, "more than %d settings", SETTINGS_MAX);

        Assignment *list = reallocarray(s->list, s->n + 1, sizeof *list);
        if (!list)
                return error_oom(e);
        s->list = list;

        char *copy = strdup(value ? value : row->implied ? row->implied : "yes");
        if (!copy)
                return error_oom(e);
        s->list[s->n++] = (Assignment){
                .row = row, .value = copy, .origin = *origin, .rank = rank
        };
        return 0;
}

bool settings_stop_at_first(char *const *positionals) {
        return true;
}

bool settings_stop_never(char *const *positionals) {
        return false;
}

const Setting *settings_row_by_flag(const Setting *rows, size_t n_rows, const char *flag) {
        for (size_t i = 0; i < n_rows; i++)
                if (rows[i].flag && streq(rows[i].flag, flag))
                        return rows + i;
        return NULL;
}

static const Setting *row_by_letter(const Settings *s, char letter) {
        for (size_t i = 0; i < s->n_rows; i++)
                if (s->rows[i].letter == letter)
                        return s->rows + i;
        return NULL;
}

/* Finds a long option by name or by an unambiguous beginning of it. */
static int find_long(const Settings *s, const char *name, size_t n, const Setting **ret, Error *e) {
        const Setting *found = NULL;

        /* The whole name of one option may be how others begin. */
        for (size_t i = 0; i < s->n_rows; i++) {
                const Setting *row = s->rows + i;
                if (row->flag && strncmp(row->flag, name, n) == 0 && !row->flag[n]) {
                        *ret = row;
                        return 0;
                }
        }
        for (size_t i = 0; i < s->n_rows; i++) {
                const Setting *row = s->rows + i;
                if (!row->flag || strncmp(row->flag, name, n) != 0 || row->flags & SETTING_HIDDEN)
                        continue;
                if (found)
                        return error_set(e, EINVAL, "option '--%.*s' could be '--%s' or '--%s'",
                                         (int) n, name, found->flag, row->flag);
                found = row;
        }
        if (!found)
                return error_set(e, EINVAL, "unknown option '--%.*s'", (int) MIN(n, (size_t) 60),
                                 name);
        *ret = found;
        return 0;
}

static const SettingOrigin from_command_line = { .trusted = true };

/* Reads "--name", "--name=value" or "--name value". Return: number of arguments eaten. */
static int read_long(Settings *s, char *const *argv, unsigned rank, Error *e) {
        const char *name = argv[0] + 2, *equals = strchr(name, '=');
        const char *value = equals ? equals + 1 : NULL;
        const Setting *row = NULL;
        int eaten = 1;
        int r = find_long(s, name, equals ? (size_t) (equals - name) : strlen(name), &row, e);

        if (r < 0)
                return r;
        int takes = setting_argument(row);
        if (takes == 0 && value)
                return error_set(e, EINVAL, "option '--%s' takes no argument", row->flag);
        if (takes == 1 && !value) {
                value = argv[1];
                if (!value)
                        return error_set(e, EINVAL, "option '--%s' needs an argument %s", row->flag,
                                         row->metavar);
                eaten = 2;
        }
        r = settings_add(s, row, value, &from_command_line, rank, e);
        return r < 0 ? r : eaten;
}

/* Reads "-a", "-abc", "-Xvalue" or "-X value". Return: number of arguments eaten. */
static int read_letters(Settings *s, char *const *argv, unsigned rank, Error *e) {
        for (const char *p = argv[0] + 1; *p; p++) {
                const Setting *row = row_by_letter(s, *p);
                if (!row)
                        return error_set(e, EINVAL, "unknown option '-%c'", *p);

                const char *value = NULL;
                bool takes = setting_argument(row) == 1;
                if (takes) {
                        value = p[1] ? p + 1 : argv[1];
                        if (!value)
                                return error_set(e, EINVAL, "option '-%c' needs an argument %s", *p,
                                                 row->metavar);
                }
                int r = settings_add(s, row, value, &from_command_line, rank, e);
                if (r < 0)
                        return r;
                s->list[s->n - 1].letter_used = *p;
                if (takes)
                        return p[1] ? 1 : 2;
        }
        return 1;
}

int settings_from_argv(Settings *s, char *const *argv, unsigned rank, SettingsStop stop,
                       char ***ret_rest, Error *e) {
        _cleanup_strv_ char **rest = NULL;
        bool ended = false;

        while (*argv) {
                const char *a = *argv;
                int n = 1;

                if (!ended && streq(a, "--"))
                        ended = true;
                else if (!ended && a[0] == '-' && a[1] == '-')
                        n = read_long(s, argv, rank, e);
                else if (!ended && a[0] == '-' && a[1])
                        n = read_letters(s, argv, rank, e);
                else {
                        if (strv_append(&rest, a) < 0)
                                return error_oom(e);
                        ended = ended || stop(rest);
                }
                if (n < 0)
                        return n;
                argv += n;
        }

        *ret_rest = TAKE_PTR(rest);
        return 0;
}

typedef struct FileContext {
        Settings *settings;
        const char *name;
        bool trusted;
        unsigned rank;
} FileContext;

static int pass_over(const FileContext *c, unsigned line, const char *key, const char *why,
                     Error *e) {
        return strv_append_format(&c->settings->notes,
                                  "%s:%u: %s= is ignored: the file lies beside the image and is not"
                                  " trusted%s",
                                  c->name, line, key, why) < 0
                       ? error_oom(e)
                       : 0;
}

/* Adds what a trusted file, or any file to a row that it may set, assigns. */
static int add_from_file(const FileContext *c, const Setting *row, const char *value, unsigned line,
                         Error *e) {
        const SettingOrigin origin = { .file = c->name, .line = line, .trusted = c->trusted };
        _cleanup_free_ char *expanded = NULL;

        if (c->settings->specifiers && strchr(value, '%')) {
                int r = specifier_expand(c->settings->specifiers, value, c->trusted, &expanded, e);
                if (r == SPECIFIER_NEEDS_TRUST)
                        return pass_over(c, line, row->key, " to ask about the host", e);
                if (r < 0)
                        return error_wrap(e, r, "%s=", row->key);
        }
        return settings_add(c->settings, row, expanded ? expanded : value, &origin, c->rank, e);
}

static int file_assignment(const char *section, const char *key, const char *value, unsigned line,
                           void *userdata, Error *e) {
        const FileContext *c = userdata;
        const Settings *s = c->settings;
        const Setting *row = NULL;
        bool section_known = false;

        for (size_t i = 0; i < s->n_rows && !row; i++) {
                const Setting *candidate = s->rows + i;
                if (!candidate->key || !streq(candidate->section, section))
                        continue;
                section_known = true;
                if (streq(candidate->key, key))
                        row = candidate;
        }

        if (!row && !section_known)
                return error_set(e, EINVAL, "unknown section [%.60s]", section);
        if (!row)
                return error_set(e, EINVAL, "unknown key '%.60s=' in section [%s]", key, section);
        if (!c->trusted && (row->trust == TRUST_NEEDED || (row->harmless && !row->harmless(value))))
                return pass_over(c, line, key, "", e);
        return add_from_file(c, row, value, line, e);
}

int settings_from_text(Settings *s, const char *name, const char *text, size_t n, bool trusted,
                       unsigned rank, Error *e) {
        if (strv_append(&s->files, name) < 0)
                return error_oom(e);

        FileContext c = { .settings = s,
                          .name = s->files[strv_length(s->files) - 1],
                          .trusted = trusted,
                          .rank = rank };
        return ini_parse(name, text, n, file_assignment, &c, e);
}

static unsigned highest_rank(const Settings *s, size_t at) {
        unsigned rank = 0;

        for (size_t i = 0; i < s->n; i++)
                if (s->list[i].row->at == at)
                        rank = MAX(rank, s->list[i].rank);
        return rank;
}

const Assignment *settings_find(const Settings *s, size_t at) {
        unsigned rank = highest_rank(s, at);
        const Assignment *found = NULL;

        for (size_t i = 0; i < s->n; i++)
                if (s->list[i].row->at == at && s->list[i].rank == rank)
                        found = s->list + i;
        return found;
}

const char *settings_place(const Assignment *a, char *buffer, size_t size) {
        if (a->origin.file)
                (void) snprintf(buffer, size, "%s:%u: %s=", a->origin.file, a->origin.line,
                                a->row->key);
        else if (a->origin.variable)
                (void) snprintf(buffer, size, "$%s", a->origin.variable);
        else if (!a->row->flag && !a->row->letter)
                (void) snprintf(buffer, size, "the command");
        else if (a->letter_used)
                (void) snprintf(buffer, size, "-%c", a->letter_used);
        else
                (void) snprintf(buffer, size, "--%s", a->row->flag);
        return buffer;
}

static __thread Assignment *assignment_now;

const SettingOrigin *settings_origin(void) {
        return assignment_now ? &assignment_now->origin : NULL;
}

int settings_restate(const char *text) {
        return assignment_now ? str_replace(&assignment_now->value, text) : 0;
}

static int apply_one(Assignment *a, void *target, Error *e) {
        /* The parser may put another value in its place. */
        _cleanup_free_ char *value = strdup(a->value);
        char place[512];

        if (!value)
                return error_oom(e);
        assignment_now = a;
        int r = a->row->parse(a->row, value, (char *) target + a->row->at, e);
        assignment_now = NULL;
        return r < 0 ? error_wrap(e, r, "%s", settings_place(a, place, sizeof place)) : 0;
}

static bool is_before(const Assignment *a, const Assignment *b) {
        return a->rank < b->rank || (a->rank == b->rank && a < b);
}

/* Whether two rows are one list: the same row, or the name for files and the name for command lines. */
static bool is_same_list(const Setting *a, const Setting *b) {
        bool a_typed = a->flag || a->letter, b_typed = b->flag || b->letter;

        if ((a->flags | b->flags) & SETTING_HIDDEN)
                return a == b;
        return a == b || (a->at == b->at && a_typed != b_typed && !a->key != !b->key);
}

static bool is_taken_back(const Settings *s, const Assignment *a) {
        for (const Assignment *b = s->list; b < s->list + s->n; b++)
                if (!*b->value && is_before(a, b) && is_same_list(a->row, b->row) &&
                    (b->origin.trusted || !a->origin.trusted))
                        return true;
        return false;
}

static bool counts(const Settings *s, const Assignment *a) {
        if (a->row->flags & SETTING_LIST)
                return *a->value && !is_taken_back(s, a);
        return a->rank == highest_rank(s, a->row->at);
}

const Assignment *settings_next(const Settings *s, const Assignment *after) {
        for (;;) {
                const Assignment *next = NULL;

                for (size_t i = 0; i < s->n; i++) {
                        const Assignment *a = s->list + i;
                        if ((!after || is_before(after, a)) && (!next || is_before(a, next)))
                                next = a;
                }
                if (!next || counts(s, next))
                        return next;
                after = next;
        }
}

int settings_apply(Settings *s, void *target, Error *e) {
        for (const Assignment *a = settings_next(s, NULL); a; a = settings_next(s, a)) {
                int r = apply_one(s->list + (a - s->list), target, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_same_setting(const Setting *a, const Setting *b) {
        if (a == b || ((a->flags | b->flags) & SETTING_HIDDEN))
                return a == b;
        if ((a->flags | b->flags) & SETTING_LIST)
                return is_same_list(a, b);
        return a->at == b->at && a->parse == b->parse && !(a->key && b->key);
}

const Setting *settings_main_row(const Settings *s, const Setting *row) {
        const Setting *best = row;

        for (const Setting *other = s->rows; other < s->rows + s->n_rows; other++)
                if (is_same_setting(other, row) &&
                    (!other->key == !best->key ? other < best : !best->key))
                        best = other;
        return best;
}

static int format_string(const char *s, Buf *out) {
        return !s ? 0 : buf_puts(out, s) < 0 ? -ENOMEM : 1;
}

int setting_format(const Setting *row, const void *field, Buf *out) {
        if (row->parse == setting_bool)
                return format_string(*(const bool *) field ? "yes" : "no", out);
        if (row->parse == setting_string || row->parse == setting_path ||
            row->parse == setting_inner_path)
                return format_string(*(const char *const *) field, out);
        if (row->parse == setting_choice)
                return format_string(((const char *const *) row->data)[*(const int *) field], out);
        if (row->parse == setting_signal)
                return *(const int *) field > 0
                               ? format_string(signal_name(*(const int *) field), out)
                               : 0;
        if (row->parse == setting_unsigned)
                return buf_printf(out, "%u", *(const unsigned *) field) < 0 ? -ENOMEM : 1;
        return -EOPNOTSUPP;
}

int setting_bool(const Setting *row, const char *value, void *at, Error *e) {
        if (parse_bool(value, at) < 0)
                return error_set(e, EINVAL, "'%.60s' is neither yes nor no", value);
        return 0;
}

int setting_string(const Setting *row, const char *value, void *at, Error *e) {
        return str_replace(at, value) < 0 ? error_oom(e) : 0;
}

int setting_strings(const Setting *row, const char *value, void *at, Error *e) {
        char ***list = at;

        if (!*value) {
                *list = strv_free(*list);
                return 0;
        }
        return strv_append(list, value) < 0 ? error_oom(e) : 0;
}

int setting_words(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_strv_ char **words = NULL;
        char ***list = at;
        int r = str_split_quoted(value, &words, e);

        if (r < 0)
                return r;
        if (!words)
                *list = strv_free(*list);
        STRV_FOREACH(word, words)
                if (strv_append(list, *word) < 0)
                        return error_oom(e);
        return 0;
}

int setting_choice(const Setting *row, const char *value, void *at, Error *e) {
        const char *const *names = row->data;
        _cleanup_(buf_done) Buf known = {};

        for (int i = 0; names[i]; i++) {
                if (streq(names[i], value)) {
                        *(int *) at = i;
                        return 0;
                }
                (void) buf_printf(&known, "%s%s", i > 0 ? ", " : "", names[i]);
        }
        return error_set(e, EINVAL, "'%.60s' is not one of %s", value, strempty(known.p));
}

int setting_signal(const Setting *row, const char *value, void *at, Error *e) {
        if (parse_signal(value, at) < 0)
                return error_set(e, EINVAL, "'%.60s' is not a signal", value);
        return 0;
}

int setting_unsigned(const Setting *row, const char *value, void *at, Error *e) {
        uint32_t v;
        int r = parse_u32(value, &v);

        if (r < 0)
                return error_set(e, r, "'%.60s' is not a number from 0 to 4294967295", value);
        *(unsigned *) at = v;
        return 0;
}

int setting_path(const Setting *row, const char *value, void *at, Error *e) {
        char *path;

        if (!*value)
                return error_set(e, EINVAL, "the path is empty");
        const SettingOrigin *origin = settings_origin();
        if (*value != '/' && origin && origin->file)
                return error_set(e, EINVAL,
                                 "'%.200s' is not an absolute path, which a file must give", value);
        int r = path_absolute(value, &path);
        if (r < 0)
                return error_set(e, r, "cannot make '%.200s' absolute: %m", value);
        free(*(char **) at);
        *(char **) at = path;
        return 0;
}

int setting_inner_path(const Setting *row, const char *value, void *at, Error *e) {
        if (!path_is_safe(value))
                return error_set(e, EINVAL, "'%.200s' is not an absolute path without '..'", value);
        char *path = path_clean(value);
        if (!path)
                return error_oom(e);
        free(*(char **) at);
        *(char **) at = path;
        return 0;
}
