/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program tells of itself: --help, the option lists of its manual page and its shell completion,
 * all from the tables of verbs and settings. */
#pragma once

#include "app/verb.h"
#include "base/setting.h"

typedef struct HelpPage {
        const char *program;      /* "skep-spawn" */
        const char *const *usage; /* lines after the program's name, NULL-terminated */
        const char *about;        /* one sentence */
        const char *manual;       /* "skep-spawn(1)" */
        const Verb *verbs;        /* may be NULL */
        size_t n_verbs;
        const Setting *settings;
        size_t n_settings;
} HelpPage;

/** help_print() - the text of --help
 * @width: columns to fill; 0 = 80
 * Return: 0 or -ENOMEM. */
int help_print(const HelpPage *page, unsigned width, Buf *out);
/** help_print_verb() - the help of one verb: what it takes, and the options that mean something to it
 * Return: 0; -ENOENT no such verb; -ENOMEM. */
int help_print_verb(const HelpPage *page, const char *name, unsigned width, Buf *out);
/** help_man() - verbs and options as scdoc, for inclusion in a manual page: a section COMMANDS where
 * there are verbs, then OPTIONS, with one sub-section per group. Keys of settings files are named
 * beside their options. Return: 0 or -ENOMEM. */
int help_man(const HelpPage *page, Buf *out);
/** help_man_keys() - the keys of settings files as scdoc, one sub-section per section of the file.
 * Return: 0 or -ENOMEM. */
int help_man_keys(const HelpPage *page, Buf *out);
/** help_completion() - a completion script
 * @shell: "bash", "zsh" or "fish"
 * Return: 0; -EINVAL = no such shell; -ENOMEM. */
int help_completion(const HelpPage *page, const char *shell, Buf *out);

/** help_is_class() - whether what a row completes with is the name of a class ("files", "images") and not
 * the words to choose from */
bool help_is_class(const char *words);

/** help_hidden() - serve the options by which the build asks a program for its texts:
 * --print-man-options, --print-man-keys, --print-commands and --print-completion=SHELL as the only argument
 * Return: 1 printed to stdout, 0 not asked for, -errno. */
int help_hidden(const HelpPage *page, char *const *argv);
