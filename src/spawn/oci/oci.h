/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the commands of skep-oci share: the options as they were given, and the table of commands. */
#pragma once

#include "app/verb.h"
#include "base/setting.h"
#include "spawn/oci/container.h"
#include "spawn/oci/log.h"

enum {
        EXIT_EXEC_FAILED = 255, /* of exec, when its command did not run */
        EXIT_NO_COMMAND = 3,
};

typedef enum OciManager {
        OCI_MANAGER_CGROUPFS, /* groups are made as directories */
        OCI_MANAGER_SYSTEMD,  /* and as scopes */
        OCI_MANAGER_DISABLED, /* the container is in the group of who made it */
        _OCI_MANAGER_MAX,
} OciManager;

/* Whether to go on where control groups cannot be made. */
typedef enum OciRootless {
        OCI_ROOTLESS_AUTO, /* in a user namespace */
        OCI_ROOTLESS_TRUE,
        OCI_ROOTLESS_FALSE,
        _OCI_ROOTLESS_MAX,
} OciRootless;

typedef enum OciForm {
        OCI_FORM_TABLE,
        OCI_FORM_JSON,
        _OCI_FORM_MAX,
} OciForm;

typedef struct OciOptions {
        /* before the command */
        char *root;
        char *log_file;
        int log_form; /* LogForm */
        bool debug;
        bool systemd_cgroup;
        int manager;  /* OciManager */
        int rootless; /* OciRootless */
        bool help, version;

        /* create, run */
        char *bundle, *config, *console_socket, *pid_file;
        bool no_pivot, keep_keyring;
        unsigned preserve_fds;
        bool detach, keep, no_subreaper;

        /* exec, beside some of those */
        char *process, *cwd, *user, *apparmor, *label, *cgroup;
        char **environment, **groups, **capabilities;
        bool terminal, no_new_privileges, ignore_paused;

        /* others */
        bool all, force, quiet, stats, rootless_spec;
        int form; /* OciForm */
        uint64_t interval;
        char *resources;
        char **limits; /* of update: "memory=…" */
} OciOptions;

typedef struct Oci {
        OciOptions o;
        Log log;
        Buf out; /* for stdout */
} Oci;

/* A command: the row for help, its own options, how many arguments it takes. */
typedef struct OciCommand {
        Verb verb;
        const Setting *rows;
        size_t n_rows;
        SettingsStop stop;
        int (*run)(Oci *oci, char *const *args, Error *e); /* Return: exit status or -errno. */
} OciCommand;

extern const OciCommand oci_commands[];
extern const size_t n_oci_commands;
extern const Setting oci_settings[]; /* those before the command */
extern const size_t n_oci_settings;

/** oci_options_done() - free them */
void oci_options_done(OciOptions *o);

/* The commands. @args: what is left when the options are read. Return: exit status or -errno. */
int oci_create(Oci *oci, char *const *args, Error *e);
int oci_start(Oci *oci, char *const *args, Error *e);
int oci_run(Oci *oci, char *const *args, Error *e);
int oci_exec(Oci *oci, char *const *args, Error *e);
int oci_state(Oci *oci, char *const *args, Error *e);
int oci_list(Oci *oci, char *const *args, Error *e);
int oci_ps(Oci *oci, char *const *args, Error *e);
int oci_kill(Oci *oci, char *const *args, Error *e);
int oci_delete(Oci *oci, char *const *args, Error *e);
int oci_pause(Oci *oci, char *const *args, Error *e);
int oci_resume(Oci *oci, char *const *args, Error *e);
int oci_update(Oci *oci, char *const *args, Error *e);
int oci_events(Oci *oci, char *const *args, Error *e);
int oci_features(Oci *oci, char *const *args, Error *e);
int oci_spec(Oci *oci, char *const *args, Error *e);
int oci_checkpoint(Oci *oci, char *const *args, Error *e);
