/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings as a table: one row per setting says what it is called on the command line and in files,
 * who may set it, how its value is read and where it goes. Command line, files, precedence, trust,
 * help, manual and completion all come from the rows.
 *
 * Reading has two steps. First every place adds assignments (text with its origin and a rank); then
 * settings_apply() parses them into the target: of a plain setting the assignments of the highest
 * rank count, the last one winning; lists take all, lowest rank first. Rows that share a target are
 * one setting. An empty assignment to a list takes back what the same row, or the same setting by its
 * other name, was given before; that of an untrusted file only what untrusted files gave. */
#pragma once

#include "base/specifier.h"
#include "base/text.h"

typedef struct Setting Setting;

/* Reads @value (never NULL) into the field at @at. On failure fills @e with the cause alone; the engine
 * puts the place before it. Lists append. */
typedef int (*SettingParse)(const Setting *row, const char *value, void *at, Error *e);

typedef enum SettingTrust {
        TRUST_NEEDED, /* from a trusted file or the command line only; the default of a row */
        TRUST_ANY,    /* from anywhere */
} SettingTrust;

typedef enum SettingFlags {
        SETTING_LIST = 1 << 0,   /* assignments add up */
        SETTING_HIDDEN = 1 << 1, /* works, but is not shown in help, man page and completion */
} SettingFlags;

struct Setting {
        const char *section, *key; /* in a file; NULL = command line only */
        const char *flag;          /* "hostname" for --hostname; NULL = none */
        char letter;               /* 'h' for -h; 0 = none */
        const char *metavar; /* of the option's argument; NULL = takes none; "[X]" = optional, only
                                    * in the form --flag=X */
        const char *implied; /* value when there is no argument; NULL = "yes" */
        const char
                *preset; /* what the target holds when nothing is assigned, as text; NULL = "no" of
                               * a bool, nothing of all others */
        const char *group;    /* heading in help and man page; NULL = that of the row before */
        const char *help;     /* a short phrase, no dot at the end */
        const char *complete; /* what completes the argument: "machines", "images", "files",
                                    * "directories", or words split by spaces; NULL = nothing */
        SettingTrust trust;
        bool (*harmless)(
                const char *value); /* of TRUST_ANY: values that count from anywhere; others
                                              * need trust. NULL = all */
        SettingFlags flags;
        SettingParse parse;
        size_t at;        /* offset of the field in the target */
        const void *data; /* for the parser: its table of names, its limits */
};

typedef struct SettingOrigin {
        const char *file; /* NULL = the command line; owned by the Settings */
        unsigned line;
        const char *variable; /* of the environment, static; NULL = it does not come from there */
        bool trusted;
} SettingOrigin;

typedef struct Assignment {
        const Setting *row;
        char *value;
        char letter_used; /* on the command line by its letter */
        SettingOrigin origin;
        unsigned rank;
} Assignment;

#define SETTINGS_MAX 4096 /* assignments; so many that going through them in pairs takes no time */

typedef struct Settings {
        const Setting *rows;
        size_t n_rows;
        const SpecifierTable
                *specifiers; /* in the values of files; NULL = '%' is one like any other */
        Assignment *list;
        size_t n;
        char **files; /* names of the files read */
        char **notes; /* sentences for the user on what was passed over, with file and line */
} Settings;

/** settings_init() - an empty set of assignments over a table that outlives it */
void settings_init(Settings *s, const Setting *rows, size_t n_rows);
void settings_done(Settings *s);

/** settings_add() - add one assignment
 * @value: NULL = what the row implies
 * @rank:  1 or more
 * Return: 0; -E2BIG there are SETTINGS_MAX already; -ENOMEM. */
int settings_add(Settings *s, const Setting *row, const char *value, const SettingOrigin *origin,
                 unsigned rank, Error *e);

/* Says after each positional argument whether the rest is not ours to read any more. */
typedef bool (*SettingsStop)(char *const *positionals);
bool settings_stop_at_first(
        char *const *positionals);                  /* options come before the first positional */
bool settings_stop_never(char *const *positionals); /* options may stand anywhere */

/** settings_from_argv() - read a command line
 * Long options may be cut short where that is unambiguous. "--" ends the options.
 * @argv:      without the program's name, NULL-terminated
 * @stop:      one of the above, or the caller's
 * @ret_rest:  the positional arguments, new vector
 * Return: 0; -EINVAL with @e set; -ENOMEM. */
int settings_from_argv(Settings *s, char *const *argv, unsigned rank, SettingsStop stop,
                       char ***ret_rest, Error *e);

/** settings_from_text() - read a file's text
 * A key that the table does not know is an error. A key that needs trust, in a file that has none, is
 * passed over with a note.
 * @name:  of the file, for messages and origins
 * Return: 0; -EINVAL with @e "NAME:LINE: …"; -ENOMEM. */
int settings_from_text(Settings *s, const char *name, const char *text, size_t n, bool trusted,
                       unsigned rank, Error *e);

/** settings_apply() - parse what counts into @target, whose fields hold the defaults
 * Return: 0 or the parser's error with the place before it; @target is then partly filled. */
int settings_apply(Settings *s, void *target, Error *e);

/** settings_next() - go through the assignments that count, in the order in which they are applied
 * @after: NULL = from the first
 * Return: NULL at the end. */
const Assignment *settings_next(const Settings *s, const Assignment *after);

/** settings_restate() - for parsers: what they are called with stands for @text, which means the same wherever
 * and whenever it is read
 * Return: 0 or -ENOMEM. */
int settings_restate(const char *text);
/** settings_origin() - for parsers: where the value that they are called with comes from
 * Return: NULL when they are not called by settings_apply(). */
const SettingOrigin *settings_origin(void);

/** settings_find() - the assignment that decides the setting at offset @at; NULL = none was made */
const Assignment *settings_find(const Settings *s, size_t at);
/** settings_main_row() - of all the rows that name one setting, the one that files know, else the first:
 * -U is --private-users=, --setenv= is Environment= */
const Setting *settings_main_row(const Settings *s, const Setting *row);
/** settings_place() - how to call an assignment in a message: "--uuid" or "/etc/x.nspawn:3: MachineID="
 * Return: @buffer. */
const char *settings_place(const Assignment *a, char *buffer, size_t size);
/** settings_row_by_flag() - row of a long option; NULL = none */
const Setting *settings_row_by_flag(const Setting *rows, size_t n_rows, const char *flag);
/** setting_argument() - whether the option of a row takes an argument: 0 no, 1 yes, 2 optional */
int setting_argument(const Setting *row);

/** setting_format() - write a field of one of the common kinds below as its parser reads it; not lists
 * @field:  the field itself
 * Return: 1 written; 0 it holds nothing; -EOPNOTSUPP of another kind; -ENOMEM. */
int setting_format(const Setting *row, const void *field, Buf *out);

/* Parsers for common kinds of fields. */

/** setting_bool() - bool */
int setting_bool(const Setting *row, const char *value, void *at, Error *e);
/** setting_string() - char *, any text */
int setting_string(const Setting *row, const char *value, void *at, Error *e);
/** setting_strings() - char **, appends; an empty value empties the list */
int setting_strings(const Setting *row, const char *value, void *at, Error *e);
/** setting_words() - char **, appends the words of a quoted list; an empty value empties the list */
int setting_words(const Setting *row, const char *value, void *at, Error *e);
/** setting_choice() - int, index of the value in the NULL-terminated names at row->data */
int setting_choice(const Setting *row, const char *value, void *at, Error *e);
/** setting_signal() - int */
int setting_signal(const Setting *row, const char *value, void *at, Error *e);
/** setting_unsigned() - unsigned */
int setting_unsigned(const Setting *row, const char *value, void *at, Error *e);
/** setting_path() - char *, cleaned, and made absolute against the working directory; in a file it must
 * be absolute already */
int setting_path(const Setting *row, const char *value, void *at, Error *e);
/** setting_inner_path() - char *, absolute and clean: a path inside a machine */
int setting_inner_path(const Setting *row, const char *value, void *at, Error *e);
