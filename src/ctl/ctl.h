/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every verb of skep gets: the options, the bus, and a buffer for what goes to stdout. */
#pragma once

#include <systemd/sd-bus.h>

#include "app/table.h"
#include "app/verb.h"
#include "base/setting.h"
#include "bus/error.h"
#include "bus/name.h"
#include "ctl/agent.h"

typedef enum CtlJson {
        CTL_JSON_OFF,
        CTL_JSON_SHORT,
        CTL_JSON_PRETTY,
        CTL_JSON_SEQ,
        CTL_JSON_SSE,
} CtlJson;

/* As the command line says; filled from the table in options.c. */
typedef struct CtlOptions {
        bool help, version;
        bool no_pager, no_legend, no_ask_password, quiet;
        bool user, system; /* whose machines: the user's, or the system's (the default) */
        bool all, full, verbose, value, force, now, read_only, mkdir, wait, ephemeral;
        bool dry_run, keep_settings, fresh, layer; /* how images are changed */
        char *host, *machine;                      /* where the daemon is; NULL = here */
        char **properties;                         /* -p; of -P as well */
        char **only;                               /* -P */
        char *uid;                                 /* --uid */
        char *directory;                           /* --chdir */
        bool pty;
        char *until;        /* --until */
        uint64_t timeout;   /* --timeout, µs; 0 = none */
        char **environment; /* assignments for a shell */
        char *template;     /* of a machine's unit; NULL = ours */
        char *slice;        /* that a machine's unit is in; NULL = the template's */
        char **arguments;   /* of the spawner, beside the template's */
        char *whom;
        char *signal_word; /* --signal as given */
        int signal;
        unsigned lines; /* UINT_MAX = not said */
        bool follow, background;
        char *since, *from; /* of logs */
        unsigned interval;  /* s, between two looks of a live view */
        bool once;
        char *class;             /* of images; NULL = not said */
        char *verify;            /* of what is pulled: a way, or a digest; NULL = not said */
        char *format;            /* of what is exported; NULL = as its name says */
        unsigned level, threads; /* likewise; UINT_MAX = not said */
        int64_t clamp_mtime;     /* s since 1970; < 0 = not said */
        bool checksum;           /* beside it */
        char *sign;              /* likewise, by that key, "" = the default one; NULL = not */
        int keep_download;       /* < 0 = as the class has it */
        char *runner;            /* "nspawn" or "vmspawn" */
        bool vmspawn;            /* -V */
        bool distinct;           /* exit statuses tell kinds of failure apart */
        char *output;      /* how the journal is shown; json words choose the form of tables too */
        int json;          /* CtlJson */
        bool json_auto;    /* -j */
        bool journal_json; /* JSON is asked for by --output alone, which is of the journal as well */
        unsigned addresses; /* UINT_MAX = all */
} CtlOptions;

typedef struct Ctl {
        CtlOptions o;
        sd_bus *bus; /* connected at first use */
        Agent agent;
        Buf out;          /* for stdout: printed in the end, through the pager if it is long */
        bool wants_pager; /* set by verbs whose output is for reading */
        bool out_is_tty;
        bool ascii;         /* the terminal's character set has no more */
        bool is_machinectl; /* called by that name: what scripts read is as systemd's has it */
        bool is_importctl;  /* likewise */
        bool interrupted;   /* the user has cancelled what the daemon was doing */
        const Verb *verbs;  /* that the name has */
        size_t n_verbs;
        const Setting *settings;
        size_t n_settings;
        Verb *own_verbs; /* where they had to be put together */
        Setting *own_settings;
        int failed; /* exit status of what has been reported so far; 0 = nothing */
} Ctl;

extern const Setting ctl_settings[];
extern const size_t n_ctl_settings;
extern const Verb ctl_verbs[];
extern const size_t n_ctl_verbs;

/** ctl_options_init() - defaults */
void ctl_options_init(CtlOptions *o);
void ctl_options_done(CtlOptions *o);
/** ctl_options_finish() - settle what depends on several options. Return: 0 or -errno. */
int ctl_options_finish(CtlOptions *o, Error *e);
/** ctl_stop() - where options of skep end and those of the command to run begin */
bool ctl_stop(char *const *positionals);

/** ctl_exit_status() - how a failure is told to who called us: 1, or with --distinct a number per kind
 * @r: -errno, or negative code of bus/error.h */
int ctl_exit_status(const Ctl *c, int r);
/** ctl_report() - print an error that does not end the work; output so far comes before it
 * Return: exit status for all that was reported so far; 1 if it was of several kinds. */
int ctl_report(Ctl *c, const Error *e);
/** ctl_each() - run @one for every name; the failure of one is reported and the rest still done
 * Return: exit status. */
int ctl_each(Ctl *c, char *const *names, int (*one)(Ctl *c, const char *name, Error *e));
/** ctl_print_table() - put a table into the output as the options say
 * @noun: plural, for the footer; NULL = none. Return: 0 or -ENOMEM. */
int ctl_print_table(Ctl *c, const Table *t, const char *noun, Error *e);
/** ctl_table_form() - the form of tables and other documents */
TableForm ctl_table_form(const Ctl *c);
/** ctl_is_json() - whether tables are wanted as JSON */
bool ctl_is_json(const Ctl *c);
/** ctl_flush() - print what is in the output buffer. Return: 0 or -errno. */
int ctl_flush(Ctl *c, Error *e);
/** ctl_is_local() - whether the daemon that answers is the one of this very system */
bool ctl_is_local(const Ctl *c);
