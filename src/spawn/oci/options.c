/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands and options of skep-oci: tables from which command line, help, manual and completion come. Names and
 * letters are runc's, since that is what callers know. */
#include <limits.h>

#include "base/parse.h"
#include "spawn/oci/oci.h"

#define AT(field) .at = offsetof(OciOptions, field)

static const char *const log_forms[] = { "text", "json", NULL };
static const char *const managers[] = { "cgroupfs", "systemd", "disabled", NULL };
static const char *const rootless_words[] = { "auto", "true", "false", NULL };
static const char *const forms[] = { "table", "json", NULL };

static int option_interval(const Setting *row, const char *value, void *at, Error *e) {
        uint64_t *usec = at;

        if (parse_duration(value, usec) < 0 || *usec == 0)
                return error_set(e, EINVAL, "'%.60s' is no time to wait", value);
        return 0;
}

/* For what is only ever a caller's habit. */
static int option_ignored(const Setting *row, const char *value, void *at, Error *e) {
        return 0;
}

/* --memory=X is one assignment to a limit, as is --pids-limit=X: they are read together by whoever knows. */
static int option_limit(const Setting *row, const char *value, void *at, Error *e) {
        char ***list = at;

        return strv_append_format(list, "%s=%s", row->flag, value) < 0 ? error_oom(e) : 0;
}

const Setting oci_settings[] = {
        { .flag = "root",
          .metavar = "DIR",
          .preset = CONTAINER_ROOT,
          .group = "Global options",
          .help = "Keep what is known of containers in DIR",
          .complete = "directories",
          .parse = setting_path,
          AT(root) },
        { .flag = "log",
          .metavar = "FILE",
          .help = "Write messages to FILE, not to stderr alone",
          .complete = "files",
          .parse = setting_path,
          AT(log_file) },
        { .flag = "log-format",
          .metavar = "FORM",
          .preset = "text",
          .help = "Form of messages: text or json",
          .complete = "text json",
          .parse = setting_choice,
          AT(log_form),
          .data = log_forms },
        { .flag = "debug", .help = "Say more", .parse = setting_bool, AT(debug) },
        { .flag = "systemd-cgroup",
          .help = "Have systemd make control groups; cgroupsPath is then SLICE:PREFIX:NAME",
          .parse = setting_bool,
          AT(systemd_cgroup) },
        { .flag = "cgroup-manager",
          .metavar = "WHO",
          .preset = "cgroupfs",
          .help = "Who makes control groups: cgroupfs, systemd or disabled (nobody)",
          .complete = "cgroupfs systemd disabled",
          .parse = setting_choice,
          AT(manager),
          .data = managers },
        { .flag = "rootless",
          .metavar = "BOOL",
          .preset = "auto",
          .help = "Whether to go on where control groups cannot be made: auto, true or false",
          .complete = "auto true false",
          .parse = setting_choice,
          AT(rootless),
          .data = rootless_words },
        { .flag = "criu",
          .metavar = "PATH",
          .flags = SETTING_HIDDEN,
          .help = "Taken and not used, as there are no checkpoints",
          .parse = option_ignored },
        { .flag = "help",
          .letter = 'h',
          .help = "Show this help",
          .parse = setting_bool,
          AT(help) },
        { .flag = "version",
          .letter = 'v',
          .help = "Show the version",
          .parse = setting_bool,
          AT(version) },
};
const size_t n_oci_settings = ELEMENTSOF(oci_settings);

#define HELP_ROW                                                                                   \
        {                                                                                          \
                .flag = "help", .letter = 'h', .flags = SETTING_HIDDEN, .help = "Show this help",  \
                .parse = setting_bool, AT(help)                                                    \
        }

#define CREATE_ROWS                                                                                \
        { .flag = "bundle",                                                                        \
          .letter = 'b',                                                                           \
          .metavar = "DIR",                                                                        \
          .help = "Directory with config.json; the default is the current one",                    \
          .complete = "directories",                                                               \
          .parse = setting_path,                                                                   \
          AT(bundle) },                                                                            \
                { .flag = "config",                                                                \
                  .metavar = "FILE",                                                               \
                  .help = "Read FILE in place of the bundle's config.json",                        \
                  .complete = "files",                                                             \
                  .parse = setting_path,                                                           \
                  AT(config) },                                                                    \
                { .flag = "no-pivot",                                                              \
                  .help = "Allow for a root on the initial ramfs, which is always done",           \
                  .parse = setting_bool,                                                           \
                  AT(no_pivot) },                                                                  \
        {                                                                                          \
                .flag = "no-new-keyring", .help = "Keep the session keyring of the caller",        \
                .parse = setting_bool, AT(keep_keyring)                                            \
        }

#define STDIO_ROWS                                                                                 \
        { .flag = "console-socket",                                                                \
          .metavar = "PATH",                                                                       \
          .help = "Send our side of the terminal to the socket at PATH",                           \
          .complete = "files",                                                                     \
          .parse = setting_path,                                                                   \
          AT(console_socket) },                                                                    \
                { .flag = "pid-file",                                                              \
                  .metavar = "FILE",                                                               \
                  .help = "Write the PID of the process to FILE",                                  \
                  .complete = "files",                                                             \
                  .parse = setting_path,                                                           \
                  AT(pid_file) },                                                                  \
        {                                                                                          \
                .flag = "preserve-fds", .metavar = "N",                                            \
                .help = "Pass on N descriptors more, after stdio and those of $LISTEN_FDS",        \
                .parse = setting_unsigned, AT(preserve_fds)                                        \
        }

static const Setting create_rows[] = {
        CREATE_ROWS,
        STDIO_ROWS,
        HELP_ROW,
};

static const Setting run_rows[] = {
        CREATE_ROWS,
        STDIO_ROWS,
        { .flag = "detach",
          .letter = 'd',
          .help = "Do not wait for the container",
          .parse = setting_bool,
          AT(detach) },
        { .flag = "keep",
          .help = "Do not delete the container once it has ended",
          .parse = setting_bool,
          AT(keep) },
        { .flag = "no-subreaper",
          .help = "Do not adopt what the container leaves behind",
          .parse = setting_bool,
          AT(no_subreaper) },
        HELP_ROW,
};

static const Setting exec_rows[] = {
        STDIO_ROWS,
        { .flag = "process",
          .letter = 'p',
          .metavar = "FILE",
          .help = "Read the process to run from FILE, a part of a config.json",
          .complete = "files",
          .parse = setting_path,
          AT(process) },
        { .flag = "tty",
          .letter = 't',
          .help = "Give it a terminal",
          .parse = setting_bool,
          AT(terminal) },
        { .flag = "detach",
          .letter = 'd',
          .help = "Do not wait for it",
          .parse = setting_bool,
          AT(detach) },
        { .flag = "cwd",
          .metavar = "DIR",
          .help = "Run it in DIR of the container",
          .parse = setting_inner_path,
          AT(cwd) },
        { .flag = "env",
          .letter = 'e',
          .metavar = "NAME=VALUE",
          .help = "Set a variable for it",
          .flags = SETTING_LIST,
          .parse = setting_strings,
          AT(environment) },
        { .flag = "user",
          .letter = 'u',
          .metavar = "UID[:GID]",
          .help = "Run it as that user",
          .parse = setting_string,
          AT(user) },
        { .flag = "additional-gids",
          .letter = 'g',
          .metavar = "GID",
          .help = "Put it into a further group",
          .flags = SETTING_LIST,
          .parse = setting_strings,
          AT(groups) },
        { .flag = "cap",
          .letter = 'c',
          .metavar = "CAP",
          .help = "Give it a capability more",
          .flags = SETTING_LIST,
          .parse = setting_strings,
          AT(capabilities) },
        { .flag = "no-new-privs",
          .help = "Let it gain no privileges",
          .parse = setting_bool,
          AT(no_new_privileges) },
        { .flag = "apparmor",
          .metavar = "PROFILE",
          .help = "AppArmor profile for it",
          .parse = setting_string,
          AT(apparmor) },
        { .flag = "process-label",
          .metavar = "LABEL",
          .help = "SELinux label for it",
          .parse = setting_string,
          AT(label) },
        { .flag = "cgroup",
          .metavar = "PATH",
          .help = "Put it into a group below the container's",
          .parse = setting_string,
          AT(cgroup) },
        { .flag = "ignore-paused",
          .help = "Make it even though the container is paused",
          .parse = setting_bool,
          AT(ignore_paused) },
        HELP_ROW,
};

static const Setting kill_rows[] = {
        { .flag = "all",
          .letter = 'a',
          .help = "Send it to all processes of the container",
          .parse = setting_bool,
          AT(all) },
        HELP_ROW,
};

static const Setting delete_rows[] = {
        { .flag = "force",
          .letter = 'f',
          .help = "Kill what still runs, and bear with its absence",
          .parse = setting_bool,
          AT(force) },
        HELP_ROW,
};

#define FORM_ROW                                                                                   \
        {                                                                                          \
                .flag = "format", .letter = 'f', .metavar = "FORM", .preset = "table",             \
                .help = "Form of the list: table or json", .complete = "table json",               \
                .parse = setting_choice, AT(form), .data = forms                                   \
        }

static const Setting list_rows[] = {
        FORM_ROW,
        { .flag = "quiet",
          .letter = 'q',
          .help = "Show names alone",
          .parse = setting_bool,
          AT(quiet) },
        HELP_ROW,
};

static const Setting ps_rows[] = {
        FORM_ROW,
        HELP_ROW,
};

static const Setting events_rows[] = {
        { .flag = "interval",
          .metavar = "TIME",
          .preset = "5s",
          .help = "How often to look",
          .parse = option_interval,
          AT(interval) },
        { .flag = "stats", .help = "Show the figures once", .parse = setting_bool, AT(stats) },
        HELP_ROW,
};

static const Setting spec_rows[] = {
        { .flag = "bundle",
          .letter = 'b',
          .metavar = "DIR",
          .help = "Directory to write it to",
          .complete = "directories",
          .parse = setting_path,
          AT(bundle) },
        { .flag = "rootless",
          .help = "For a container of the user who runs us",
          .parse = setting_bool,
          AT(rootless_spec) },
        HELP_ROW,
};

#define LIMIT(name, text)                                                                          \
        {                                                                                          \
                .flag = name, .metavar = "N", .help = text, .flags = SETTING_LIST,                 \
                .parse = option_limit, AT(limits)                                                  \
        }

static const Setting update_rows[] = {
        { .flag = "resources",
          .letter = 'r',
          .metavar = "FILE",
          .help = "Read what to change from FILE, a part of a config.json; - is stdin",
          .complete = "files",
          .parse = setting_string,
          AT(resources) },
        LIMIT("blkio-weight", "Share of disk time, 10 to 1000"),
        LIMIT("cpu-period", "Period that the quota is of, in µs"),
        LIMIT("cpu-quota", "CPU time in a period, in µs"),
        LIMIT("cpu-share", "Share of CPU time, 2 to 262144"),
        LIMIT("cpu-burst", "CPU time that may be saved up, in µs"),
        LIMIT("cpu-rt-period", "Period that the realtime is of, in µs"),
        LIMIT("cpu-rt-runtime", "Realtime in a period, in µs"),
        LIMIT("cpu-idle", "1: run only when nobody else wants to"),
        LIMIT("cpuset-cpus", "CPUs to use"),
        LIMIT("cpuset-mems", "Memory nodes to use"),
        LIMIT("memory", "Memory, in bytes"),
        LIMIT("memory-reservation", "Memory that is not taken back, in bytes"),
        LIMIT("memory-swap", "Memory and swap together, in bytes; -1: any"),
        LIMIT("pids-limit", "How many tasks there may be"),
        HELP_ROW,
};

static const Setting plain_rows[] = { HELP_ROW };

#define ROWS(name, when) .rows = name##_rows, .n_rows = ELEMENTSOF(name##_rows), .stop = when
#define PLAIN            ROWS(plain, settings_stop_never)

const OciCommand oci_commands[] = {
        { { .name = "create",
            .args = "ID",
            .group = "Life of a container",
            .help = "Make a container of a bundle; its process waits",
            .min = 1,
            .max = 1 },
          ROWS(create, settings_stop_never),
          .run = oci_create },
        { { .name = "start",
            .args = "ID",
            .help = "Execute the process of a container",
            .min = 1,
            .max = 1 },
          PLAIN,
          .run = oci_start },
        { { .name = "run",
            .args = "ID",
            .help = "Make a container, start it and wait for its end",
            .min = 1,
            .max = 1 },
          ROWS(run, settings_stop_never),
          .run = oci_run },
        { { .name = "kill",
            .args = "ID [SIGNAL]",
            .help = "Send a signal to a container",
            .min = 1,
            .max = 2 },
          ROWS(kill, settings_stop_never),
          .run = oci_kill },
        { { .name = "delete",
            .args = "ID",
            .help = "Remove what is left of a container",
            .min = 1,
            .max = 1 },
          ROWS(delete, settings_stop_never),
          .run = oci_delete },
        { { .name = "exec",
            .args = "ID COMMAND…",
            .group = "In a running container",
            .help = "Run a command in a container",
            .min = 1,
            .max = VERB_ANY },
          ROWS(exec, settings_stop_at_first),
          .run = oci_exec },
        { { .name = "pause",
            .args = "ID",
            .help = "Stop all processes of a container",
            .min = 1,
            .max = 1 },
          PLAIN,
          .run = oci_pause },
        { { .name = "resume", .args = "ID", .help = "Let them go on", .min = 1, .max = 1 },
          PLAIN,
          .run = oci_resume },
        { { .name = "update",
            .args = "ID",
            .help = "Change the limits of a container",
            .min = 1,
            .max = 1 },
          ROWS(update, settings_stop_never),
          .run = oci_update },
        { { .name = "state",
            .args = "ID",
            .group = "Information",
            .help = "Show the state of a container",
            .min = 1,
            .max = 1 },
          PLAIN,
          .run = oci_state },
        { { .name = "list", .help = "List the containers", .min = 0, .max = 0 },
          ROWS(list, settings_stop_never),
          .run = oci_list },
        { { .name = "ps",
            .args = "ID [OPTION…]",
            .help = "List the processes of a container",
            .min = 1,
            .max = VERB_ANY },
          ROWS(ps, settings_stop_at_first),
          .run = oci_ps },
        { { .name = "events",
            .args = "ID",
            .help = "Show what a container uses, and runs out of",
            .min = 1,
            .max = 1 },
          ROWS(events, settings_stop_never),
          .run = oci_events },
        { { .name = "features", .help = "Tell what this runtime can", .min = 0, .max = 0 },
          PLAIN,
          .run = oci_features },
        { { .name = "spec",
            .group = "Bundles",
            .help = "Write a config.json to begin with",
            .min = 0,
            .max = 0 },
          ROWS(spec, settings_stop_never),
          .run = oci_spec },
        { { .name = "checkpoint",
            .args = "ID",
            .help = "Refused: there are no checkpoints",
            .min = 0,
            .max = VERB_ANY,
            .flags = VERB_HIDDEN },
          ROWS(plain, settings_stop_at_first),
          .run = oci_checkpoint },
        { { .name = "restore",
            .args = "ID",
            .help = "Refused: there are no checkpoints",
            .min = 0,
            .max = VERB_ANY,
            .flags = VERB_HIDDEN },
          ROWS(plain, settings_stop_at_first),
          .run = oci_checkpoint },
};
const size_t n_oci_commands = ELEMENTSOF(oci_commands);

void oci_options_done(OciOptions *o) {
        char **const strings[] = { &o->root,           &o->log_file, &o->bundle,  &o->config,
                                   &o->console_socket, &o->pid_file, &o->process, &o->cwd,
                                   &o->user,           &o->apparmor, &o->label,   &o->cgroup,
                                   &o->resources };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                free(TAKE_PTR(*strings[i]));
        o->environment = strv_free(o->environment);
        o->groups = strv_free(o->groups);
        o->capabilities = strv_free(o->capabilities);
        o->limits = strv_free(o->limits);
}
