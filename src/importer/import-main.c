/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import: one transfer. The daemon starts it with --report; people may start it by hand. Options in,
 * exit status out; the work is in transfer-run.c. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/help.h"
#include "app/progress.h"
#include "app/report.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "image/image.h"
#include "image/pool.h"
#include "image/temporary.h"
#include "importer/format.h"
#include "importer/image-class.h"
#include "importer/record.h"
#include "importer/transfer-run.h"

typedef struct Options {
        char *image_root;
        bool force, read_only, sync, quiet, help, version;
        char *sha256;
        unsigned report_fd;
} Options;

static const Setting settings[] = {
        { .flag = "image-root",
          .metavar = "DIR",
          .group = "Options",
          .complete = "directories",
          .help = "Put the image into this directory instead of the pool",
          .parse = setting_path,
          .at = offsetof(Options, image_root) },
        { .flag = "force",
          .help = "Replace an image of the same name",
          .parse = setting_bool,
          .at = offsetof(Options, force) },
        { .flag = "read-only",
          .help = "Mark the image read-only",
          .parse = setting_bool,
          .at = offsetof(Options, read_only) },
        { .flag = "sync",
          .metavar = "BOOL",
          .complete = "yes no",
          .help = "Write the image to the disk before it is shown (default: yes)",
          .parse = setting_bool,
          .at = offsetof(Options, sync) },
        { .flag = "sha256",
          .metavar = "HEX",
          .help = "Take only an archive with this digest",
          .parse = setting_string,
          .at = offsetof(Options, sha256) },
        { .flag = "report",
          .metavar = "FD",
          .flags = SETTING_HIDDEN,
          .parse = setting_unsigned,
          .at = offsetof(Options, report_fd) },
        { .flag = "quiet",
          .letter = 'q',
          .help = "Show no progress and no notes",
          .parse = setting_bool,
          .at = offsetof(Options, quiet) },
        { .flag = "help",
          .letter = 'h',
          .help = "Show this text",
          .parse = setting_bool,
          .at = offsetof(Options, help) },
        { .flag = "version",
          .help = "Show the version",
          .parse = setting_bool,
          .at = offsetof(Options, version) },
};

/* Reports to a person, or to the daemon. */
typedef struct Output {
        Progress *bar;
        int fd; /* to the daemon; -EBADF = there is none */
        unsigned percent;
} Output;

static void on_progress(void *context, double ratio, uint64_t done) {
        Output *o = context;

        if (o->bar)
                progress_update(o->bar, ratio, done, now_usec());
        if (o->fd >= 0 && ratio >= 0 && (unsigned) (ratio * 100) != o->percent) {
                o->percent = (unsigned) (ratio * 100);
                (void) record_write(o->fd, &(Record){ .type = RECORD_PROGRESS, .ratio = ratio });
        }
}

static void on_note(void *context, int level, const char *text) {
        Output *o = context;

        if (o->bar)
                progress_clear(o->bar);
        report(level, "%s", text);
        if (o->fd >= 0)
                (void) record_write(o->fd,
                                    &(Record){ .type = RECORD_LOG, .level = level, .text = text });
}

static int open_source(const char *path, Error *e) {
        struct stat st;
        int fd = streq(path, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                  : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        if (fstat(fd, &st) < 0 ||
            !(S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
                (void) close(fd);
                return error_set(e, EINVAL, "'%s' is neither a file nor a pipe", path);
        }
        return fd;
}

/* The image's name: as given, or the archive's without its suffix. */
static int choose_name(char *const *args, char **ret, Error *e) {
        const char *last = path_last(args[0]);

        if (!args[1] && streq(args[0], "-"))
                return error_set(e, EINVAL, "an image from standard input needs a name");
        *ret = args[1] ? strdup(args[1])
                       : str_format("%.*s", (int) format_strip_suffix(last), last);
        if (!*ret)
                return error_oom(e);
        if (!image_name_is_valid(*ret) || streq(*ret, IMAGE_HOST_NAME))
                return error_set(e, EINVAL, "'%s' is not a name for an image", *ret);
        return 0;
}

/* Where images go, with symlinks resolved as far as it exists: locks are by path. */
static int choose_root(const Options *o, char **ret, bool *ret_is_pool, Error *e) {
        _cleanup_free_ char *pool = NULL;
        int r = pool_path(&pool, e);

        if (r < 0)
                return r;
        *ret_is_pool = !o->image_root || streq(o->image_root, pool);
        const char *root = o->image_root ? o->image_root : pool;
        *ret = realpath(root, NULL);
        if (!*ret)
                *ret = strdup(root);
        return *ret ? 0 : error_oom(e);
}

static int run(char *const *args, const Options *o, Output *output, Error *e) {
        const ImportReporter reporter = { on_progress, on_note, output };
        _cleanup_free_ char *name = NULL, *root = NULL;
        uint8_t sha256[VERIFY_SHA256_SIZE];
        ImportJob job = {
                .source_name = streq(args[0], "-") ? "archive" : args[0],
                .staging = { .force = o->force, .read_only = o->read_only, .sync = o->sync },
        };
        int r;

        if (o->sha256) {
                if (verify_parse_sha256(o->sha256, sha256) < 0)
                        return error_set(e, EINVAL, "--sha256: '%s' is not 64 hexadecimal digits",
                                         o->sha256);
                job.sha256 = sha256;
        }
        r = choose_name(args, &name, e);
        if (r >= 0)
                r = choose_root(o, &root, &job.lock_name, e);
        if (r < 0)
                return r;

        _cleanup_fd_ int fd = open_source(args[0], e);
        if (fd < 0)
                return fd;
        job.source_fd = fd;
        job.name = name;
        job.root = root;
        if (!o->quiet && output->fd < 0 && progress_new(STDERR_FILENO, name, 0, &output->bar) < 0)
                return error_oom(e);
        return import_tar_run(&job, &reporter, e);
}

typedef struct Context {
        const Options *options;
        Output output;
} Context;

/* Return: exit status or -errno. */
static int verb_tar(char *const *args, void *context, Error *e) {
        Context *c = context;
        int r = run(args, c->options, &c->output, e);

        c->output.bar = progress_free(c->output.bar);
        if (r < 0 && c->output.fd >= 0)
                (void) record_write(c->output.fd, &(Record){ .type = RECORD_LOG,
                                                             .level = LOG_ERR,
                                                             .text = e->text });
        if (c->output.fd >= 0)
                (void) record_write(c->output.fd, &(Record){ .type = r < 0    ? RECORD_FAILED
                                                                     : r == 0 ? RECORD_DONE
                                                                              : RECORD_CANCELED });
        return r > 0 ? 128 + r : r;
}

/* Everything in one directory, or in those of all classes. */
static int verb_sweep(char *const *args, void *context, Error *e) {
        Context *c = context;
        int r = 0;

        if (c->options->image_root)
                r = temporary_sweep(c->options->image_root, e);
        for (int class = 0; class < _IMAGE_CLASS_MAX && !c->options->image_root && r >= 0;
             class ++) {
                _cleanup_free_ char *directory = NULL;
                r = image_class_directory((ImageClass) class, &directory, e);
                if (r >= 0)
                        r = temporary_sweep(directory, e);
        }
        return r < 0 ? r : EXIT_SUCCESS;
}

static const Verb verbs[] = {
        { .name = "tar",
          .args = "FILE|- [NAME]",
          .group = "Commands",
          .help = "Import a tree from an archive: tar, plain or packed by gzip, bzip2, xz or zstd",
          .complete = "files",
          .min = 1,
          .max = 2,
          .run = verb_tar },
        { .name = "sweep",
          .help = "Remove what imports that were killed have left",
          .run = verb_sweep },
};

static const char *const usage[] = { "[OPTION…] COMMAND …", NULL };

static const HelpPage page = {
        .program = "skep-import",
        .usage = usage,
        .about = "Make an image of a machine from an archive.",
        .manual = "skep-import(8)",
        .verbs = verbs,
        .n_verbs = ELEMENTSOF(verbs),
        .settings = settings,
        .n_settings = ELEMENTSOF(settings),
};

static void block_signals(void) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
}

static int print_help(Error *e) {
        _cleanup_(buf_done) Buf out = {};

        if (help_print(&page, 0, &out) < 0)
                return error_oom(e);
        (void) fputs(out.p, stdout);
        return 0;
}

static int start(char *const *argv, Options *o, Error *e) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_strv_ char **rest = NULL;
        Context c = { .options = o, .output = { .fd = -EBADF, .percent = UINT32_MAX } };
        int r;

        settings_init(&s, settings, ELEMENTSOF(settings));
        r = settings_from_argv(&s, argv, 1, settings_stop_never, &rest, e);
        if (r >= 0)
                r = settings_apply(&s, o, e);
        if (r < 0)
                return r;
        if (o->help)
                return print_help(e);
        if (o->version) {
                (void) printf("skep-import %s\n", SKEP_VERSION);
                return 0;
        }

        if (o->report_fd > 0) {
                c.output.fd = (int) o->report_fd;
                r = fd_set_cloexec(c.output.fd, true);
                if (r < 0)
                        return error_set(e, r, "--report: descriptor %u cannot be used: %m",
                                         o->report_fd);
        }
        if (o->quiet)
                report_set_level(LOG_WARNING);
        return verb_run(verbs, ELEMENTSOF(verbs), rest, &c, e);
}

int main(int argc, char *argv[]) {
        Options options = { .sync = true };
        Error e = {};
        int r;

        report_init("skep-import");
        block_signals();
        r = help_hidden(&page, argv + 1);
        if (r == 0)
                r = start(argv + 1, &options, &e);
        else if (r > 0)
                r = 0;
        free(options.image_root);
        free(options.sha256);
        return r < 0 ? report_error(&e) : r;
}
