/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion scripts for bash, zsh and fish out of the tables of verbs and settings, see help.h. Names of
 * machines, images and transfers are asked for when the user presses the key, never stored. */
#include "app/help.h"

/* Classes of words: a command that lists them, run when the user presses the key, or what each shell
 * itself has for them. */
typedef struct WordClass {
        const char *name, *command, *bash, *zsh, *fish;
} WordClass;

static const WordClass classes[] = {
        { "machines", "skep list --no-legend --max-addresses=0", NULL, NULL, NULL },
        { "images", "skep list-images --no-legend", NULL, NULL, NULL },
        { "transfers", "skep list-transfers --no-legend", NULL, NULL, NULL },
        { "operations", "skep operations --no-legend --no-ask-password", NULL, NULL, NULL },
        { "commands", "skep --print-commands", NULL, NULL, NULL },
        { "files", NULL, "-f", "_files", "(__fish_complete_path)" },
        { "directories", NULL, "-d", "_files -/", "(__fish_complete_directories)" },
};

static const WordClass *find_class(const char *words, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(classes); i++)
                if (strlen(classes[i].name) == n && memcmp(classes[i].name, words, n) == 0)
                        return classes + i;
        return NULL;
}

bool help_is_class(const char *words) {
        return find_class(words, strlen(words));
}

/* "skep-spawn" → "skep_spawn" */
static char *identifier(const char *program) {
        char *s = strdup(program);

        for (char *c = s; c && *c; c++)
                if (*c == '-')
                        *c = '_';
        return s;
}

/* The bash that fills COMPREPLY for one class of words, or from the words themselves. */
static int bash_reply(const char *words, size_t n, Buf *out) {
        const WordClass *c = find_class(words, n);

        if (c && c->command)
                return buf_printf(
                        out,
                        "COMPREPLY=($(compgen -W \"$(%s 2>/dev/null | cut -d' ' -f1)\" -- \"$cur\"))",
                        c->command);
        if (c)
                return buf_printf(out, "COMPREPLY=($(compgen %s -- \"$cur\"))", c->bash);
        return buf_printf(out, "COMPREPLY=($(compgen -W '%.*s' -- \"$cur\"))", (int) n, words);
}

static int bash_options(const HelpPage *page, Buf *out) {
        int r = buf_puts(out, "        case $prev in\n");

        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;
                if ((row->flags & SETTING_HIDDEN) || setting_argument(row) != 1 ||
                    (!row->flag && !row->letter))
                        continue;
                r = buf_puts(out, "        ");
                if (r >= 0 && row->letter)
                        r = buf_printf(out, "-%c%s", row->letter, row->flag ? "|" : "");
                if (r >= 0 && row->flag)
                        r = buf_printf(out, "--%s", row->flag);
                if (r >= 0)
                        r = buf_puts(out, ") ");
                if (r >= 0 && row->complete)
                        r = bash_reply(row->complete, strlen(row->complete), out);
                if (r >= 0)
                        r = buf_puts(out, row->complete ? "; return ;;\n" : "return ;;\n");
        }
        if (r >= 0)
                r = buf_puts(out, "        esac\n"
                                  "        if [[ $cur == -* ]]; then\n"
                                  "                COMPREPLY=($(compgen -W '");
        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;
                if (row->flag && !(row->flags & SETTING_HIDDEN))
                        r = buf_printf(out, "--%s ", row->flag);
        }
        return r < 0 ? r : buf_puts(out, "' -- \"$cur\"))\n                return\n        fi\n");
}

/* The arm for one verb: a class per argument, the last one for all that follow. */
static int bash_verb(const Verb *verb, Buf *out) {
        int r = buf_printf(out, "        %s%s%s)\n                case $((COMP_CWORD - at)) in\n",
                           verb->name, verb->alias ? "|" : "", strempty(verb->alias));
        unsigned k = 1;

        for (const char *p = verb->complete; *p && r >= 0; k++) {
                size_t n = strcspn(p, "|");
                if (p[n])
                        r = buf_printf(out, "                %u) ", k);
                else
                        r = buf_puts(out, "                *) ");
                if (r >= 0)
                        r = bash_reply(p, n, out);
                if (r >= 0)
                        r = buf_puts(out, " ;;\n");
                p += n + (p[n] == '|');
        }
        return r < 0 ? r : buf_puts(out, "                esac ;;\n");
}

static int bash_verbs(const HelpPage *page, Buf *out) {
        int r = buf_puts(out, "        if [[ -z $verb ]]; then\n"
                              "                COMPREPLY=($(compgen -W '");

        for (size_t i = 0; i < page->n_verbs && r >= 0; i++)
                if (!(page->verbs[i].flags & VERB_HIDDEN))
                        r = buf_printf(out, "%s ", page->verbs[i].name);
        if (r >= 0)
                r = buf_puts(
                        out,
                        "' -- \"$cur\"))\n                return\n        fi\n        case $verb in\n");
        for (size_t i = 0; i < page->n_verbs && r >= 0; i++)
                if (page->verbs[i].complete)
                        r = bash_verb(page->verbs + i, out);
        return r < 0 ? r : buf_puts(out, "        esac\n");
}

/* Options whose argument is the next word, so that the search for the verb steps over both. */
static int bash_pattern_of_arguments(const HelpPage *page, Buf *out) {
        const char *separator = "";
        int r = 0;

        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;
                if (setting_argument(row) != 1)
                        continue;
                if (row->letter) {
                        r = buf_printf(out, "%s-%c", separator, row->letter);
                        separator = "|";
                }
                if (r >= 0 && row->flag) {
                        r = buf_printf(out, "%s--%s", separator, row->flag);
                        separator = "|";
                }
        }
        return r < 0 || *separator ? r : buf_puts(out, "--");
}

static int bash(const HelpPage *page, const char *name, Buf *out) {
        int r = buf_printf(
                out,
                "# bash completion for %s, generated from its tables of commands and options\n"
                "# shellcheck shell=bash disable=SC2207\n"
                "_%s() {\n"
                "        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
                "        local verb='' at=0 i\n"
                "        # readline cuts --option=value into three words\n"
                "        if [[ $cur == = ]]; then cur=''\n"
                "        elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
                "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "                case ${COMP_WORDS[i]} in\n"
                "                ",
                page->program, name);

        if (r >= 0)
                r = bash_pattern_of_arguments(page, out);
        if (r >= 0)
                r = buf_puts(out, ") ((i++)); [[ ${COMP_WORDS[i]} == = ]] && ((i++)) ;;\n"
                                  "                =) ((i++)) ;;\n"
                                  "                -*) ;;\n"
                                  "                *) verb=${COMP_WORDS[i]} at=$i; break ;;\n"
                                  "                esac\n"
                                  "        done\n"
                                  "        COMPREPLY=()\n");
        if (r >= 0)
                r = bash_options(page, out);
        if (r >= 0)
                r = page->n_verbs > 0
                            ? bash_verbs(page, out)
                            : buf_puts(out, "        : \"$verb\" \"$at\"\n"
                                            "        COMPREPLY=($(compgen -f -- \"$cur\"))\n");
        return r < 0 ? r : buf_printf(out, "}\ncomplete -F _%s %s\n", name, page->program);
}

/* Inside the single quotes of an _arguments spec. */
static int zsh_quote(const char *s, Buf *out) {
        int r = 0;

        for (; *s && r >= 0; s++)
                r = *s == '\''            ? buf_puts(out, "'\\''")
                    : strchr("[]:\\", *s) ? buf_printf(out, "\\%c", *s)
                                          : buf_append(out, s, 1);
        return r;
}

/* What offers the words: a command, or within an _arguments spec its action. Nothing in it needs the
 * single quotes that stand around a spec. */
static int zsh_offer(const char *words, size_t n, bool in_spec, Buf *out) {
        const WordClass *c = find_class(words, n);

        if (c && c->command)
                return buf_printf(out,
                                  "%scompadd -- ${(f)\"$(%s 2>/dev/null | cut -d\" \" -f1)\"}%s",
                                  in_spec ? "{" : "", c->command, in_spec ? "}" : "");
        if (c)
                return buf_puts(out, c->zsh);
        return in_spec ? buf_printf(out, "(%.*s)", (int) n, words)
                       : buf_printf(out, "compadd -- %.*s", (int) n, words);
}

static int zsh_option(const char *dash, const char *name, const Setting *row, Buf *out) {
        int takes = setting_argument(row);
        int r = buf_printf(out, "                '*%s%s%s[", dash, name,
                           takes == 0                     ? ""
                           : dash[1] == '-' && takes == 1 ? "="
                           : dash[1] == '-'               ? "=-"
                                                          : "+");
        if (r >= 0)
                r = zsh_quote(row->help, out);
        if (r >= 0)
                r = buf_puts(out, "]");
        if (r >= 0 && takes > 0) {
                r = buf_puts(out, takes == 2 ? "::" : ":");
                if (r >= 0)
                        r = zsh_quote(row->metavar, out);
                if (r >= 0)
                        r = buf_puts(out, ":");
                if (r >= 0 && row->complete)
                        r = zsh_offer(row->complete, strlen(row->complete), true, out);
        }
        return r < 0 ? r : buf_puts(out, "' \\\n");
}

static int zsh_verb(const Verb *verb, Buf *out) {
        int r = buf_printf(out, "        (%s%s%s) case $((CURRENT - 1)) in\n", verb->name,
                           verb->alias ? "|" : "", strempty(verb->alias));
        unsigned k = 1;

        for (const char *p = verb->complete; *p && r >= 0; k++) {
                size_t n = strcspn(p, "|");

                r = p[n] ? buf_printf(out, "                (%u) ", k)
                         : buf_puts(out, "                (*) ");
                if (r >= 0)
                        r = zsh_offer(p, n, false, out);
                if (r >= 0)
                        r = buf_puts(out, " ;;\n");
                p += n + (p[n] == '|');
        }
        return r < 0 ? r : buf_puts(out, "                esac ;;\n");
}

static int zsh_verbs(const HelpPage *page, Buf *out) {
        int r = buf_puts(out, "        local -a verbs=(\n");

        for (size_t i = 0; i < page->n_verbs && r >= 0; i++) {
                const Verb *verb = page->verbs + i;
                if (verb->flags & VERB_HIDDEN)
                        continue;
                r = buf_printf(out, "                '%s:", verb->name);
                if (r >= 0)
                        r = zsh_quote(verb->help, out);
                if (r >= 0)
                        r = buf_puts(out, "'\n");
        }
        if (r >= 0)
                r = buf_puts(out, "        )\n"
                                  "        if [[ $state == verb ]]; then\n"
                                  "                _describe -t commands command verbs\n"
                                  "                return\n"
                                  "        fi\n"
                                  "        case $words[1] in\n");
        for (size_t i = 0; i < page->n_verbs && r >= 0; i++)
                if (page->verbs[i].complete)
                        r = zsh_verb(page->verbs + i, out);
        return r < 0 ? r : buf_puts(out, "        esac\n");
}

static int zsh(const HelpPage *page, const char *name, Buf *out) {
        int r = buf_printf(
                out,
                "#compdef %s\n"
                "# zsh completion for %s, generated from its tables of commands and options\n"
                "_%s() {\n"
                "        local state\n"
                "        _arguments -s -S \\\n",
                page->program, page->program, name);

        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;
                char letter[] = { row->letter, '\0' };
                if (row->flags & SETTING_HIDDEN)
                        continue;
                if (row->letter)
                        r = zsh_option("-", letter, row, out);
                if (r >= 0 && row->flag)
                        r = zsh_option("--", row->flag, row, out);
        }
        if (r >= 0)
                r = buf_puts(out,
                             page->n_verbs > 0
                                     ? "                '1:command:->verb' '*::argument:->args'\n"
                                     : "                '*:argument:_files'\n");
        if (r >= 0 && page->n_verbs > 0)
                r = zsh_verbs(page, out);
        return r < 0 ? r : buf_printf(out, "}\n_%s \"$@\"\n", name);
}

/* Inside single quotes, where fish knows \' and \\ alone. */
static int fish_quote(const char *s, Buf *out) {
        int r = buf_puts(out, "'");

        for (; *s && r >= 0; s++)
                r = *s == '\'' || *s == '\\' ? buf_printf(out, "\\%c", *s) : buf_append(out, s, 1);
        return r < 0 ? r : buf_puts(out, "'");
}

/* The argument of -a. */
static int fish_offer(const char *words, size_t n, Buf *out) {
        const WordClass *c = find_class(words, n);

        if (c && c->command)
                return buf_printf(out, "'(%s 2>/dev/null | string split -f1 \" \")'", c->command);
        if (c)
                return buf_printf(out, "'%s'", c->fish);
        return buf_printf(out, "'%.*s'", (int) n, words);
}

static int fish_option(const HelpPage *page, const Setting *row, Buf *out) {
        int r = buf_printf(out, "complete -c %s", page->program);

        if (r >= 0 && row->letter)
                r = buf_printf(out, " -s %c", row->letter);
        if (r >= 0 && row->flag)
                r = buf_printf(out, " -l %s", row->flag);
        if (r >= 0 && setting_argument(row) == 1)
                r = buf_puts(out, " -x");
        if (r >= 0 && row->complete) {
                r = buf_puts(out, " -a ");
                if (r >= 0)
                        r = fish_offer(row->complete, strlen(row->complete), out);
        }
        if (r >= 0)
                r = buf_puts(out, " -d ");
        if (r >= 0)
                r = fish_quote(row->help, out);
        return r < 0 ? r : buf_puts(out, "\n");
}

/* One line per verb, and one per class of its arguments: fish does not count them. */
static int fish_verb(const HelpPage *page, const Verb *verb, Buf *out) {
        int r = 0;

        if (!(verb->flags & VERB_HIDDEN)) {
                r = buf_printf(out, "complete -c %s -f -n __fish_use_subcommand -a %s -d ",
                               page->program, verb->name);
                if (r >= 0)
                        r = fish_quote(verb->help, out);
                if (r >= 0)
                        r = buf_puts(out, "\n");
        }
        for (const char *p = strempty(verb->complete); *p && r >= 0;) {
                size_t n = strcspn(p, "|");
                r = buf_printf(out, "complete -c %s -f -n '__fish_seen_subcommand_from %s%s%s' -a ",
                               page->program, verb->name, verb->alias ? " " : "",
                               strempty(verb->alias));
                if (r >= 0)
                        r = fish_offer(p, n, out);
                if (r >= 0)
                        r = buf_puts(out, "\n");
                p += n + (p[n] == '|');
        }
        return r;
}

static int fish(const HelpPage *page, const char *name, Buf *out) {
        int r = buf_printf(
                out,
                "# fish completion for %s, generated from its tables of commands and options\n",
                page->program);

        (void) name;
        for (size_t i = 0; i < page->n_settings && r >= 0; i++) {
                const Setting *row = page->settings + i;
                if (!(row->flags & SETTING_HIDDEN) && (row->flag || row->letter))
                        r = fish_option(page, row, out);
        }
        for (size_t i = 0; i < page->n_verbs && r >= 0; i++)
                r = fish_verb(page, page->verbs + i, out);
        return r;
}

int help_completion(const HelpPage *page, const char *shell, Buf *out) {
        _cleanup_free_ char *name = identifier(page->program);

        if (!name)
                return -ENOMEM;
        return streq(shell, "bash")   ? bash(page, name, out)
               : streq(shell, "zsh")  ? zsh(page, name, out)
               : streq(shell, "fish") ? fish(page, name, out)
                                      : -EINVAL;
}
