/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --help and the generated parts of manual pages, see help.h. Completion scripts: completion.c. */
#include "app/help.h"

#include <unistd.h>

/* Columns a text takes on a terminal: bytes that do not continue a UTF-8 sequence. */
static unsigned columns(const char *s) {
        unsigned n = 0;

        for (; *s; s++)
                n += ((unsigned char) *s & 0xc0) != 0x80;
        return n;
}

/* "-M, --machine=NAME" */
static int option_term(const Setting *row, Buf *out) {
        int takes = setting_argument(row), r;

        if (row->letter && row->flag)
                r = buf_printf(out, "-%c, --%s", row->letter, row->flag);
        else if (row->letter)
                r = buf_printf(out, "-%c", row->letter);
        else
                r = buf_printf(out, "    --%s", row->flag);
        if (r < 0 || takes == 0)
                return r;
        if (!row->flag)
                return buf_printf(out, " %s", row->metavar);
        return takes == 2 ? buf_printf(out, "[=%s", row->metavar + 1)
                          : buf_printf(out, "=%s", row->metavar);
}

/* Whether one of the words that @words is made of is @word. */
static bool word_in(const char *words, const char *word) {
        size_t n = strlen(word);

        for (const char *p = words; *p;) {
                size_t k = strcspn(p, " ");

                if (k == n && memcmp(p, word, n) == 0)
                        return true;
                p += k + (p[k] == ' ');
        }
        return false;
}

static int verb_term(const Verb *verb, Buf *out) {
        return buf_printf(out, "%s%s%s", verb->name, verb->args ? " " : "", strempty(verb->args));
}

/* Puts "  term   text", the text wrapped and hanging at column @at. */
static int put_entry(Buf *out, const char *term, const char *text, unsigned at, unsigned width) {
        unsigned column = 2 + columns(term);
        int r = buf_printf(out, "  %s", term);

        if (r >= 0 && column + 1 > at) {
                r = buf_puts(out, "\n");
                column = 0;
        }
        if (r >= 0)
                r = buf_printf(out, "%*s", (int) (at - column), "");
        column = at;

        while (*text && r >= 0) {
                size_t n = strcspn(text, " ");
                _cleanup_free_ char *word = strndup(text, n);
                if (!word)
                        return -ENOMEM;
                if (column > at && column + 1 + columns(word) > width) {
                        r = buf_printf(out, "\n%*s", (int) at, "");
                        column = at;
                } else if (column > at) {
                        r = buf_puts(out, " ");
                        column++;
                }
                if (r >= 0)
                        r = buf_puts(out, word);
                column += columns(word);
                text += n + (text[n] == ' ');
        }
        return r < 0 ? r : buf_puts(out, "\n");
}

static int print_verbs(const HelpPage *page, unsigned width, Buf *out) {
        int r = 0;

        for (size_t i = 0; i < page->n_verbs && r >= 0; i++) {
                const Verb *verb = page->verbs + i;
                _cleanup_(buf_done) Buf term = {};

                if (verb->flags & VERB_HIDDEN)
                        continue;
                if (verb->group)
                        r = buf_printf(out, "\n%s:\n", verb->group);
                if (r >= 0)
                        r = verb_term(verb, &term);
                if (r >= 0)
                        r = put_entry(out, term.p, verb->help, 32, width);
        }
        return r;
}

static int put_option(const Setting *row, unsigned width, Buf *out) {
        _cleanup_(buf_done) Buf term = {};
        int r = option_term(row, &term);

        return r < 0 ? r : put_entry(out, term.p, row->help, 32, width);
}

static int print_settings(const HelpPage *page, unsigned width, Buf *out) {
        int r = 0;

        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;

                if (row->group)
                        r = buf_printf(out, "\n%s:\n", row->group);
                if ((row->flags & SETTING_HIDDEN) || (!row->flag && !row->letter))
                        continue;
                if (r >= 0)
                        r = put_option(row, width, out);
        }
        return r;
}

int help_print(const HelpPage *page, unsigned width, Buf *out) {
        int r = 0;

        if (width == 0)
                width = 80;
        for (size_t i = 0; page->usage[i] && r >= 0; i++)
                r = buf_printf(out, "%s %s %s\n", i == 0 ? "Usage:" : "      ", page->program,
                               page->usage[i]);
        if (r >= 0)
                r = buf_printf(out, "\n%s\n", page->about);
        if (r >= 0)
                r = print_verbs(page, width, out);
        if (r >= 0)
                r = print_settings(page, width, out);
        return r < 0 ? r : buf_printf(out, "\nSee %s for more.\n", page->manual);
}

/* Whether a verb has an option of its own, or any verb (@verb is NULL) has it. */
static bool is_option_of(const HelpPage *page, const Verb *verb, const Setting *row) {
        char letter[] = { row->letter, '\0' };

        for (size_t i = 0; i < page->n_verbs; i++) {
                const char *words = page->verbs[i].options;

                if (words && (!verb || verb == page->verbs + i) &&
                    word_in(words, row->flag ? row->flag : letter))
                        return true;
        }
        return false;
}

static int print_verb_options(const HelpPage *page, const Verb *verb, bool own, unsigned width,
                              Buf *out) {
        bool any = false;
        int r = 0;

        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;

                if ((row->flags & SETTING_HIDDEN) || (!row->flag && !row->letter) ||
                    !(own ? is_option_of(page, verb, row) : !is_option_of(page, NULL, row)))
                        continue;
                if (!any)
                        r = buf_printf(out, "\n%s:\n", own ? "Options" : "Options of all commands");
                any = true;
                if (r >= 0)
                        r = put_option(row, width, out);
        }
        return r;
}

int help_print_verb(const HelpPage *page, const char *name, unsigned width, Buf *out) {
        const Verb *verb = verb_find(page->verbs, page->n_verbs, name);
        int r;

        if (!verb)
                return -ENOENT;
        r = buf_printf(out, "Usage: %s [OPTION...] %s%s%s\n", page->program, verb->name,
                       verb->args ? " " : "", strempty(verb->args));
        if (r >= 0 && verb->alias)
                r = buf_printf(out, "       %s [OPTION...] %s%s%s\n", page->program, verb->alias,
                               verb->args ? " " : "", strempty(verb->args));
        if (r >= 0)
                r = buf_printf(out, "\n%s.\n", verb->help);
        if (r >= 0)
                r = print_verb_options(page, verb, true, width, out);
        if (r >= 0)
                r = print_verb_options(page, verb, false, width, out);
        return r < 0 ? r : buf_printf(out, "\nSee %s for more.\n", page->manual);
}

/* scdoc reads _ * # \ and friends as markup. */
static int put_scdoc(Buf *out, const char *s) {
        for (; *s; s++) {
                int r = strchr("_*\\#~[]<>`", *s) ? buf_printf(out, "\\%c", *s)
                                                  : buf_append(out, s, 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int put_scdoc_marked(Buf *out, char mark, const char *s) {
        int r = buf_append(out, &mark, 1);

        if (r >= 0)
                r = put_scdoc(out, s);
        return r < 0 ? r : buf_append(out, &mark, 1);
}

static int man_option(const Setting *row, Buf *out) {
        _cleanup_free_ char *letter = row->letter ? str_format("-%c", row->letter) : NULL;
        _cleanup_free_ char *flag = row->flag ? str_format("--%s", row->flag) : NULL;
        int r = 0;

        if (letter)
                r = put_scdoc_marked(out, '*', letter);
        if (r >= 0 && letter && flag)
                r = buf_puts(out, ", ");
        if (r >= 0 && flag)
                r = put_scdoc_marked(out, '*', flag);
        if (r >= 0 && row->metavar) {
                bool optional = setting_argument(row) == 2; /* "[X]", shown as "[=X]" */

                r = buf_puts(out, optional ? "\\[=" : flag ? "=" : " ");
                if (r >= 0)
                        r = put_scdoc(out, row->metavar + optional);
        }
        if (r >= 0 && row->key) {
                _cleanup_free_ char *key = str_format("%s=", row->key);
                if (!key)
                        return -ENOMEM;
                r = buf_printf(out, " (\\[%s\\] ", row->section);
                if (r >= 0)
                        r = put_scdoc_marked(out, '*', key);
                if (r >= 0)
                        r = buf_puts(out, ")");
        }
        if (r >= 0)
                r = buf_puts(out, "\n\t");
        if (r >= 0)
                r = put_scdoc(out, row->help);
        return r < 0 ? r : buf_puts(out, ".\n\n");
}

static int man_verb(const Verb *verb, Buf *out) {
        int r = put_scdoc_marked(out, '*', verb->name);

        if (r >= 0 && verb->alias) {
                r = buf_puts(out, ", ");
                if (r >= 0)
                        r = put_scdoc_marked(out, '*', verb->alias);
        }
        if (r >= 0 && verb->args) {
                r = buf_puts(out, " ");
                if (r >= 0)
                        r = put_scdoc(out, verb->args);
        }
        if (r >= 0)
                r = buf_puts(out, "\n\t");
        if (r >= 0)
                r = put_scdoc(out, verb->help);
        return r < 0 ? r : buf_puts(out, ".\n\n");
}

int help_man(const HelpPage *page, Buf *out) {
        int r = page->n_verbs > 0 ? buf_puts(out, "# COMMANDS\n\n") : 0;

        for (size_t i = 0; i < page->n_verbs && r >= 0; i++) {
                if (page->verbs[i].group)
                        r = buf_printf(out, "## %s\n\n", page->verbs[i].group);
                if (r >= 0 && !(page->verbs[i].flags & VERB_HIDDEN))
                        r = man_verb(page->verbs + i, out);
        }
        if (r >= 0)
                r = buf_puts(out, "# OPTIONS\n\n");
        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;
                if (row->group)
                        r = buf_printf(out, "## %s\n\n", row->group);
                if (r >= 0 && !(row->flags & SETTING_HIDDEN) && (row->flag || row->letter))
                        r = man_option(row, out);
        }
        return r;
}

static int man_key(const Setting *row, Buf *out) {
        _cleanup_free_ char *key = str_format("%s=", row->key);
        int r = key ? put_scdoc_marked(out, '*', key) : -ENOMEM;

        if (r >= 0)
                r = buf_puts(out, "\n\t");
        if (r >= 0)
                r = put_scdoc(out, row->help);
        if (r >= 0)
                r = buf_puts(out, ".");
        if (r >= 0 && row->flag) {
                _cleanup_free_ char *flag = str_format("--%s", row->flag);
                r = flag ? buf_puts(out, " Option ") : -ENOMEM;
                if (r >= 0)
                        r = put_scdoc_marked(out, '*', flag);
                if (r >= 0)
                        r = buf_puts(out, ".");
        }
        if (r >= 0 && row->trust == TRUST_NEEDED)
                r = buf_puts(out, " Needs a trusted file.");
        return r < 0 ? r : buf_puts(out, "\n\n");
}

int help_man_keys(const HelpPage *page, Buf *out) {
        const char *done[16] = {};
        size_t n_done = 0;
        int r = 0;

        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const char *section = page->settings[i].section;
                bool seen = !section;

                for (size_t k = 0; k < n_done && !seen; k++)
                        seen = streq(done[k], section);
                if (seen || n_done == ELEMENTSOF(done))
                        continue;
                done[n_done++] = section;

                r = buf_printf(out, "## [%s]\n\n", section);
                for (size_t k = i; k < page->n_settings && r >= 0; k++)
                        if (streq_ptr(page->settings[k].section, section) &&
                            !(page->settings[k].flags & SETTING_HIDDEN))
                                r = man_key(page->settings + k, out);
        }
        return r;
}

static int print_commands(const HelpPage *page, Buf *out) {
        int r = 0;

        for (size_t i = 0; i < page->n_verbs && r >= 0; i++)
                if (!(page->verbs[i].flags & VERB_HIDDEN))
                        r = buf_printf(out, "%s\n", page->verbs[i].name);
        return r;
}

int help_hidden(const HelpPage *page, char *const *argv) {
        _cleanup_(buf_done) Buf out = {};
        const char *shell;
        int r;

        if (!argv[0] || argv[1])
                return 0;
        if (streq(argv[0], "--print-man-options"))
                r = help_man(page, &out);
        else if (streq(argv[0], "--print-man-keys"))
                r = help_man_keys(page, &out);
        else if (streq(argv[0], "--print-commands"))
                r = print_commands(page, &out);
        else if ((shell = str_skip_prefix(argv[0], "--print-completion=")))
                r = help_completion(page, shell, &out);
        else
                return 0;

        if (r >= 0)
                r = fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0 ? 1 : -EIO;
        return r;
}
