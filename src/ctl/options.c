/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of skep: one row each, from which command line, help, manual and completion come. What an
 * option does is up to the verbs. */
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "base/parse.h"
#include "ctl/ctl.h"

/* NAME=VALUE, or NAME to hand on our own value. */
static int option_environment(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_free_ char *own = NULL;
        char ***environment = at;

        if (!strchr(value, '=')) {
                const char *found = getenv(value);

                if (!env_name_is_valid(value, strlen(value)))
                        return error_set(e, EINVAL, "'%.60s' is no name of a variable", value);
                own = str_format("%s=%s", value, strempty(found));
                if (!own)
                        return error_oom(e);
                if (!found)
                        return 0;
                value = own;
        }
        if (!env_assignment_is_valid(value))
                return error_set(e, EINVAL, "'%.60s' is no assignment to a variable", value);
        return strv_env_set(environment, value) < 0 ? error_oom(e) : 0;
}

static int option_addresses(const Setting *row, const char *value, void *at, Error *e) {
        unsigned *n = at;
        uint32_t v;

        if (streq(value, "all"))
                *n = UINT_MAX;
        else if (parse_u32(value, &v) >= 0)
                *n = v;
        else
                return error_set(e, EINVAL, "'%.60s' is neither a number nor 'all'", value);
        return 0;
}

static int option_word(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_strv_ char **words = NULL;

        if (str_split(row->complete, " ", &words) < 0)
                return error_oom(e);
        if (!strv_contains(words, value)) {
                _cleanup_free_ char *all = strv_join(words, ", ");

                return error_set(e, EINVAL, "'%.60s' is none of %s", value, strempty(all));
        }
        return setting_string(row, value, at, e);
}

static int option_from(const Setting *row, const char *value, void *at, Error *e) {
        if (!streq(value, "all") && !streq(value, "unit") && !streq(value, "guest"))
                return error_set(e, EINVAL, "'%.60s' is none of all, unit, guest", value);
        return setting_string(row, value, at, e);
}

static int option_time(const Setting *row, const char *value, void *at, Error *e) {
        uint64_t *usec = at;

        if (parse_duration(value, usec) < 0 || *usec == 0)
                return error_set(e, EINVAL, "'%.60s' is no time, as in \"90s\" or \"5min\"", value);
        return 0;
}

/* How to verify what is pulled: a word, or the digest that is expected. */
static int option_verify(const Setting *row, const char *value, void *at, Error *e) {
        size_t n = strlen(value);

        if ((n == 64 || n == 128) && strspn(value, "0123456789abcdefABCDEF") == n)
                return setting_string(row, value, at, e);
        return option_word(row, value, at, e);
}

static int option_seconds(const Setting *row, const char *value, void *at, Error *e) {
        uint64_t v;

        if (parse_u64(value, 0, INT64_MAX - 1, &v) < 0)
                return error_set(e, EINVAL, "'%.60s' is no number of seconds since 1970", value);
        *(int64_t *) at = (int64_t) v;
        return 0;
}

static int option_tristate(const Setting *row, const char *value, void *at, Error *e) {
        bool b;
        int r = setting_bool(row, value, &b, e);

        if (r >= 0)
                *(int *) at = b;
        return r;
}

static const char *const json_words[] = { "off", "short", "pretty", "seq", "sse", NULL };

#define AT(field) .at = offsetof(CtlOptions, field)

const Setting ctl_settings[] = {
        { .group = "Options",
          .flag = "help",
          .letter = 'h',
          .help = "Show this help",
          .parse = setting_bool,
          AT(help) },
        { .flag = "version", .help = "Show the version", .parse = setting_bool, AT(version) },
        { .flag = "no-pager",
          .help = "Do not show long output in a pager",
          .parse = setting_bool,
          AT(no_pager) },
        { .flag = "no-legend",
          .help = "Show neither headings nor footers",
          .parse = setting_bool,
          AT(no_legend) },
        { .flag = "no-ask-password",
          .help = "Do not ask for passwords",
          .parse = setting_bool,
          AT(no_ask_password) },
        { .flag = "user",
          .help = "Talk about the machines and images of the user",
          .parse = setting_bool,
          AT(user) },
        { .flag = "system",
          .help = "Talk about those of the system; this is the default",
          .parse = setting_bool,
          AT(system) },
        { .flag = "host",
          .letter = 'H',
          .metavar = "HOST",
          .help = "Talk to the system on HOST or USER@HOST, over ssh",
          .parse = setting_string,
          AT(host) },
        { .flag = "machine",
          .letter = 'M',
          .metavar = "NAME",
          .help = "Talk to the system in a machine, about the machines in it",
          .complete = "machines",
          .parse = setting_string,
          AT(machine) },
        { .flag = "quiet",
          .letter = 'q',
          .help = "Say no more than was asked for",
          .parse = setting_bool,
          AT(quiet) },
        { .flag = "json",
          .metavar = "MODE",
          .help = "Show tables as JSON: pretty, short, seq, sse or off",
          .complete = "pretty short seq sse off",
          .parse = setting_choice,
          .data = json_words,
          AT(json) },
        { .letter = 'j',
          .help = "Same as --json=pretty on a terminal and --json=short elsewhere",
          .parse = setting_bool,
          AT(json_auto) },
        { .flag = "distinct",
          .help = "Tell kinds of failure apart by the exit status",
          .parse = setting_bool,
          AT(distinct) },
        { .flag = "all",
          .letter = 'a',
          .help = "Show hidden names, empty properties, and transfers that have ended",
          .parse = setting_bool,
          AT(all) },
        { .flag = "verbose",
          .help = "With list-images: show what lies among them and is none too, and why",
          .parse = setting_bool,
          AT(verbose) },
        { .flag = "full",
          .letter = 'l',
          .help = "Cut nothing short to fit the terminal",
          .parse = setting_bool,
          AT(full) },
        { .flag = "max-addresses",
          .metavar = "N",
          .help = "How many addresses of a machine to list, or 'all'",
          .complete = "0 1 all",
          .parse = option_addresses,
          AT(addresses) },
        { .flag = "property",
          .letter = 'p',
          .metavar = "NAME",
          .help = "Show this property only; may be given several times",
          .flags = SETTING_LIST,
          .parse = setting_strings,
          AT(properties) },
        { .letter = 'P',
          .metavar = "NAME",
          .help = "Same as --value --property=NAME",
          .flags = SETTING_LIST,
          .parse = setting_strings,
          AT(only) },
        { .flag = "value",
          .help = "Show values of properties without their names",
          .parse = setting_bool,
          AT(value) },
        { .flag = "lines",
          .letter = 'n',
          .metavar = "N",
          .help = "How many lines of the journal to show",
          .parse = setting_unsigned,
          AT(lines) },
        { .flag = "follow",
          .letter = 'f',
          .help = "With logs: go on, and show what is written from now on; with list-transfers: look "
                  "at one until it has ended",
          .parse = setting_bool,
          AT(follow) },
        { .flag = "since",
          .metavar = "TIME",
          .help = "With logs: nothing older, as in \"2026-11-22 20:15\", \"-1h\" or \"today\"",
          .parse = setting_string,
          AT(since) },
        { .flag = "from",
          .metavar = "WHERE",
          .help = "With logs: only of the unit, or only of the guest",
          .complete = "all unit guest",
          .parse = option_from,
          AT(from) },
        { .flag = "output",
          .letter = 'o',
          .metavar = "MODE",
          .help = "How to show the journal; the json modes are for tables too",
          .complete =
                  "short short-full short-iso short-iso-precise short-precise short-monotonic "
                  "short-delta short-unix verbose export with-unit cat json json-pretty json-seq json-sse help",
          .parse = option_word,
          AT(output) },
        { .flag = "signal",
          .letter = 's',
          .metavar = "SIGNAL",
          .help = "Which signal to send",
          .complete = "SIGHUP SIGINT SIGQUIT SIGKILL SIGUSR1 SIGUSR2 SIGTERM SIGCONT SIGSTOP "
                      "SIGRTMIN+3 SIGRTMIN+4 SIGRTMIN+5",
          .parse = setting_string,
          AT(signal_word) },
        { .flag = "kill-whom",
          .metavar = "WHOM",
          .help = "Whom to send it to: all, leader or supervisor",
          .complete = "all leader supervisor",
          .parse = setting_string,
          AT(whom) },
        { .flag = "uid",
          .metavar = "USER",
          .help = "Run the shell or the command as this user",
          .parse = setting_string,
          AT(uid) },
        { .flag = "chdir",
          .metavar = "DIR",
          .help = "With exec: run the command in this folder of the machine",
          .parse = setting_string,
          AT(directory) },
        { .flag = "pty",
          .help = "With exec: give the command a terminal though ours is none",
          .parse = setting_bool,
          AT(pty) },
        { .flag = "setenv",
          .letter = 'E',
          .metavar = "NAME[=VALUE]",
          .help = "Set a variable for the shell or the command; without a value hand on our own",
          .flags = SETTING_LIST,
          .parse = option_environment,
          AT(environment) },
        { .flag = "wait",
          .help = "With poweroff and terminate: wait until the machine is gone",
          .parse = setting_bool,
          AT(wait) },
        { .flag = "once",
          .help = "With stats and top: show totals once, instead of what happens",
          .parse = setting_bool,
          AT(once) },
        { .flag = "interval",
          .metavar = "SECONDS",
          .help = "With stats and top: how often to look",
          .parse = setting_unsigned,
          AT(interval) },
        { .flag = "until",
          .metavar = "STATE|TIME",
          .help = "What wait waits for: ready (the default) or gone; with logs: nothing newer than this time",
          .complete = "ready gone",
          .parse = setting_string,
          AT(until) },
        { .flag = "timeout",
          .metavar = "TIME",
          .help = "How long wait waits at most, as in \"90s\"",
          .parse = option_time,
          AT(timeout) },
        { .flag = "now",
          .help = "With enable start, with disable power off as well",
          .parse = setting_bool,
          AT(now) },
        { .flag = "ephemeral",
          .help = "With start and enable: run on a throw-away view of the image",
          .parse = setting_bool,
          AT(ephemeral) },
        { .flag = "template",
          .metavar = "UNIT",
          .help = "With start and enable: start the machine as an instance of NAME@.service",
          .parse = setting_string,
          AT(template) },
        { .flag = "runner",
          .metavar = "RUNNER",
          .help = "With start and enable: what runs the machine, nspawn or vmspawn",
          .complete = "nspawn vmspawn",
          .parse = option_word,
          AT(runner) },
        { .letter = 'V', .help = "Same as --runner=vmspawn", .parse = setting_bool, AT(vmspawn) },
        { .flag = "slice",
          .metavar = "SLICE",
          .help = "With enable: put the machine's unit into NAME.slice",
          .parse = setting_string,
          AT(slice) },
        { .flag = "argument",
          .metavar = "ARGUMENT",
          .help = "With enable: give skep-spawn one more argument; may be given several times",
          .flags = SETTING_LIST,
          .parse = setting_strings,
          AT(arguments) },
        { .flag = "force",
          .help = "Replace an image, or files, of the same name; forget what is alive",
          .parse = setting_bool,
          AT(force) },
        { .flag = "read-only",
          .help = "Make the new image, or the bind, read-only",
          .parse = setting_bool,
          AT(read_only) },
        { .flag = "dry-run",
          .help = "Say what would be done to files, and do nothing",
          .parse = setting_bool,
          AT(dry_run) },
        { .flag = "keep-settings",
          .help = "Leave settings, drop-ins and links that enable the machine",
          .parse = setting_bool,
          AT(keep_settings) },
        { .flag = "fresh",
          .help = "Give the clone a host name of its own, and take its machine ID and keys",
          .parse = setting_bool,
          AT(fresh) },
        { .flag = "layer",
          .help = "Put a layer on a read-only original rather than copy it",
          .parse = setting_bool,
          AT(layer) },
        { .flag = "class",
          .metavar = "CLASS",
          .help = "Of which class images are: machine (the default), portable, sysext or confext",
          .complete = "machine portable sysext confext",
          .parse = option_word,
          AT(class) },
        { .flag = "verify",
          .metavar = "MODE",
          .help = "How to verify what is pulled: no, checksum, signature (the default), or the "
                  "SHA256 or SHA512 sum that it has, which may be said of a local file as well",
          .complete = "no checksum signature",
          .parse = option_verify,
          AT(verify) },
        { .flag = "format",
          .metavar = "FORMAT",
          .help = "How to pack what is exported: uncompressed, xz, gzip, bzip2, zstd or lz4; by default "
                  "as the file's name says",
          .complete = "uncompressed xz gzip bzip2 zstd lz4",
          .parse = option_word,
          AT(format) },
        { .flag = "level",
          .metavar = "NUMBER",
          .help = "How hard to pack what is exported",
          .parse = setting_unsigned,
          AT(level) },
        { .flag = "threads",
          .metavar = "NUMBER",
          .help = "On how many processors to pack it; 0 = all there are, the default",
          .parse = setting_unsigned,
          AT(threads) },
        { .flag = "clamp-mtime",
          .metavar = "SECONDS",
          .help = "Say of what was changed later than this, in seconds since 1970, that it was changed then; "
                  "by default $SOURCE_DATE_EPOCH, if set",
          .parse = option_seconds,
          AT(clamp_mtime) },
        { .flag = "checksum",
          .help = "Write FILE.sha256 beside what is exported",
          .parse = setting_bool,
          AT(checksum) },
        { .flag = "sign",
          .metavar = "[KEY]",
          .implied = "",
          .help = "Write it, and FILE.sha256.asc, a signature by your own key of gpg",
          .parse = setting_string,
          AT(sign) },
        { .flag = "keep-download",
          .metavar = "BOOL",
          .help = "Whether to keep what was pulled as well as the image; the default for machines",
          .complete = "yes no",
          .parse = option_tristate,
          AT(keep_download) },
        { .flag = "background",
          .help = "Start the transfer, print its number and leave it to the importer",
          .parse = setting_bool,
          AT(background) },
        { .flag = "mkdir",
          .help = "Make the place to bind to, if it is not there",
          .parse = setting_bool,
          AT(mkdir) },
};
const size_t n_ctl_settings = ELEMENTSOF(ctl_settings);

void ctl_options_init(CtlOptions *o) {
        *o = (CtlOptions){
                .signal = SIGTERM,
                .lines = UINT_MAX,
                .interval = 1,
                .addresses = 1,
                .keep_download = -1,
                .level = UINT_MAX,
                .threads = UINT_MAX,
                .clamp_mtime = -1,
        };
}

void ctl_options_done(CtlOptions *o) {
        free(o->host);
        free(o->machine);
        strv_free(o->properties);
        strv_free(o->only);
        free(o->uid);
        free(o->directory);
        free(o->until);
        strv_free(o->environment);
        free(o->template);
        free(o->slice);
        strv_free(o->arguments);
        free(o->whom);
        free(o->signal_word);
        free(o->runner);
        free(o->output);
        free(o->class);
        free(o->verify);
        free(o->format);
        free(o->sign);
        free(o->since);
        free(o->from);
}

int ctl_options_finish(CtlOptions *o, Error *e) {
        static const struct {
                const char *output;
                CtlJson json;
        } modes[] = {
                { "json", CTL_JSON_SHORT },
                { "json-pretty", CTL_JSON_PRETTY },
                { "json-seq", CTL_JSON_SEQ },
                { "json-sse", CTL_JSON_SSE },
        };

        if (o->host && o->machine)
                return error_set(e, EINVAL, "--host and --machine do not go together");
        if (o->interval < 1 || o->interval > 3600)
                return error_set(e, EINVAL, "--interval: seconds are 1 to 3600");
        if (o->user && (o->host || o->system))
                return error_set(e, EINVAL, "--user and --%s do not go together",
                                 o->host ? "host" : "system");
        /* Virtual machines have a template of systemd's own. */
        if (!o->template && (o->vmspawn || streq_ptr(o->runner, "vmspawn")) &&
            str_replace(&o->template, "systemd-vmspawn@.service") < 0)
                return error_oom(e);
        if (o->json_auto && o->json == CTL_JSON_OFF)
                o->json = isatty(STDOUT_FILENO) ? CTL_JSON_PRETTY : CTL_JSON_SHORT;
        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (o->json == CTL_JSON_OFF && streq_ptr(o->output, modes[i].output)) {
                        o->json = (int) modes[i].json;
                        o->journal_json = true;
                }
        /* Bytes of a machine's choice would drive the terminal. */
        if (streq_ptr(o->output, "export") && isatty(STDOUT_FILENO))
                return error_set(
                        e, EINVAL,
                        "--output=export is for files and programs, and this is a terminal");
        if (o->signal_word && !streq(o->signal_word, "list") &&
            parse_signal(o->signal_word, &o->signal) < 0)
                return error_set(e, EINVAL,
                                 "--signal: '%.60s' is no signal (\"-s list\" shows what there is)",
                                 o->signal_word);
        if (o->only)
                o->value = true;
        STRV_FOREACH(name, o->only)
                if (strv_append(&o->properties, *name) < 0)
                        return error_oom(e);
        if (o->full && o->addresses == 1)
                o->addresses = UINT_MAX;
        return 0;
}

bool ctl_stop(char *const *positionals) {
        return positionals[0] && positionals[1] &&
               (streq(positionals[0], "shell") || streq(positionals[0], "exec"));
}
