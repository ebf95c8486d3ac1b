/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion scripts for bash and zsh out of the tables of verbs and settings, see help.h. Names of
 * machines, images and transfers are asked for when the user presses the key, never stored. */
#include "app/help.h"

/* How a script gets at the words of a class; the shell runs it at completion time. */
static const struct {
        const char *class, *command;
} sources[] = {
        { "machines", "skep list --no-legend --all" },
        { "images", "skep list-images --no-legend" },
        { "transfers", "skep list-transfers --no-legend" },
};

static const char *source_command(const char *class, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                if (strlen(sources[i].class) == n && memcmp(sources[i].class, class, n) == 0)
                        return sources[i].command;
        return NULL;
}

/* "skep-spawn" → "skep_spawn" */
static char *identifier(const char *program) {
        char *s = strdup(program);

        for (char *c = s; c && *c; c++)
                if (*c == '-')
                        *c = '_';
        return s;
}

/* The bash that fills COMPREPLY for one class of words. */
static int bash_reply(const char *class, size_t n, Buf *out) {
        const char *command = source_command(class, n);

        if (command)
                return buf_printf(
                        out,
                        "COMPREPLY=($(compgen -W \"$(%s 2>/dev/null | cut -d' ' -f1)\" -- \"$cur\"))",
                        command);
        if (n == 5 && memcmp(class, "files", 5) == 0)
                return buf_puts(out, "COMPREPLY=($(compgen -f -- \"$cur\"))");
        if (n == 11 && memcmp(class, "directories", 11) == 0)
                return buf_puts(out, "COMPREPLY=($(compgen -d -- \"$cur\"))");
        return buf_printf(out, "COMPREPLY=($(compgen -W '%.*s' -- \"$cur\"))", (int) n, class);
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
                "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "                case ${COMP_WORDS[i]} in\n"
                "                ",
                page->program, name);

        if (r >= 0)
                r = bash_pattern_of_arguments(page, out);
        if (r >= 0)
                r = buf_puts(out, ") ((i++)) ;;\n"
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

static int zsh_action(const char *class, size_t n, Buf *out) {
        const char *command = source_command(class, n);

        if (command)
                return buf_printf(out, "{compadd -- ${(f)\"$(%s 2>/dev/null | cut -d\" \" -f1)\"}}",
                                  command);
        if (n == 5 && memcmp(class, "files", 5) == 0)
                return buf_puts(out, "_files");
        if (n == 11 && memcmp(class, "directories", 11) == 0)
                return buf_puts(out, "_files -/");
        return buf_printf(out, "(%.*s)", (int) n, class);
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
                        r = zsh_action(row->complete, strlen(row->complete), out);
        }
        return r < 0 ? r : buf_puts(out, "' \\\n");
}

static int zsh_verb(const Verb *verb, Buf *out) {
        int r = buf_printf(out, "        (%s%s%s) case $((CURRENT - 1)) in\n", verb->name,
                           verb->alias ? "|" : "", strempty(verb->alias));
        unsigned k = 1;

        for (const char *p = verb->complete; *p && r >= 0; k++) {
                size_t n = strcspn(p, "|");
                const char *command = source_command(p, n);

                r = p[n] ? buf_printf(out, "                (%u) ", k)
                         : buf_puts(out, "                (*) ");
                if (r < 0)
                        break;
                if (command)
                        r = buf_printf(out,
                                       "compadd -- ${(f)\"$(%s 2>/dev/null | cut -d' ' -f1)\"}",
                                       command);
                else if (n == 5 && memcmp(p, "files", 5) == 0)
                        r = buf_puts(out, "_files");
                else if (n == 11 && memcmp(p, "directories", 11) == 0)
                        r = buf_puts(out, "_files -/");
                else
                        r = buf_printf(out, "compadd -- %.*s", (int) n, p);
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

int help_completion(const HelpPage *page, const char *shell, Buf *out) {
        _cleanup_free_ char *name = identifier(page->program);

        if (!name)
                return -ENOMEM;
        return streq(shell, "bash")  ? bash(page, name, out)
               : streq(shell, "zsh") ? zsh(page, name, out)
                                     : -EINVAL;
}
