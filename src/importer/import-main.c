/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import: one transfer. The daemon starts it with --report; people may start it by hand. Options in,
 * exit status out; what is done is in the kinds, kind-*.c. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/help.h"
#include "app/report.h"
#include "base/fd.h"
#include "base/text.h"
#include "image/partial.h"
#include "image/pool.h"
#include "importer/kind.h"

static int sweep_directory(const char *path, Error *e) {
        int r = pool_sweep_directory(path, e);

        return r < 0 ? r : partials_sweep(path, PARTIAL_AGE_USEC, e);
}

/* Everything in one directory, or in those of all classes. */
static int verb_sweep(char *const *args, void *context, Error *e) {
        const ImportOptions *o = ((KindContext *) context)->options;
        int r = 0;

        if (o->image_root)
                r = sweep_directory(o->image_root, e);
        for (int class = 0; class < _IMAGE_CLASS_MAX && !o->image_root && r >= 0; class ++) {
                _cleanup_free_ char *directory = NULL;
                r = image_class_directory((ImageClass) class, &directory, e);
                if (r >= 0)
                        r = sweep_directory(directory, e);
        }
        return r < 0 ? r : 0;
}

/* What every kind takes that makes an image. */
#define IMAGE_OPTIONS "class force read-only sync"

/* What every kind takes that pulls. */
#define PULL_OPTIONS                                                                               \
        "verify keep-download settings connections retries stall-timeout netrc tls-ca "            \
        "tls-certificate tls-key"

/* What takes disks without making images of them. */
#define DIRECT_OPTIONS "direct offset size-max"

/* .options: those that some kinds take and others do not. */
static const Verb verbs[] = {
        { .name = "import-tar",
          .args = "FILE|- [NAME]",
          .group = "Commands",
          .help = "Import a tree from an archive: tar or cpio, plain or packed by gzip, bzip2, xz, zstd or lz4",
          .complete = "files",
          .options = IMAGE_OPTIONS " verify max-ratio settings",
          .min = 1,
          .max = 2,
          .run = kind_import_tar },
        { .name = "import-raw",
          .args = "FILE|- [NAME|PATH]",
          .help = "Import a disk: raw or qcow2, plain or packed by any of these",
          .complete = "files",
          .options = IMAGE_OPTIONS
          " verify max-ratio settings roothash roothash-signature verity " DIRECT_OPTIONS,
          .min = 1,
          .max = 2,
          .run = kind_import_raw },
        { .name = "import-fs",
          .args = "DIRECTORY|- [NAME]",
          .help = "Import a tree from a directory: it is copied, sharing its data where the file system can",
          .complete = "directories",
          .options = IMAGE_OPTIONS,
          .min = 1,
          .max = 2,
          .run = kind_import_fs },
        { .name = "pull-tar",
          .args = "URL [NAME]",
          .help = "Import a tree from an archive on a server",
          .options = IMAGE_OPTIONS " max-ratio " PULL_OPTIONS,
          .min = 1,
          .max = 2,
          .run = kind_pull_tar },
        { .name = "pull-raw",
          .args = "URL [NAME|PATH]",
          .help = "Import a disk from a server",
          .options = IMAGE_OPTIONS " max-ratio " PULL_OPTIONS
                                   " roothash roothash-signature verity " DIRECT_OPTIONS,
          .min = 1,
          .max = 2,
          .run = kind_pull_raw },
        { .name = "export-tar",
          .args = "NAME [FILE|-]",
          .help = "Export the tree of an image as an archive",
          .complete = "images|files",
          .options =
                  "class force sync format level threads checksum checksum-fd checksum-name sign clamp-mtime",
          .min = 1,
          .max = 2,
          .run = kind_export_tar },
        { .name = "export-raw",
          .args = "NAME [FILE|-]",
          .help = "Export an image that is a disk",
          .complete = "images|files",
          .options =
                  "class force sync format level threads checksum checksum-fd checksum-name sign",
          .min = 1,
          .max = 2,
          .run = kind_export_raw },
        { .name = "sweep",
          .help = "Remove what imports that were killed have left",
          .run = verb_sweep },
};

static const char *const usage[] = { "[OPTION…] COMMAND …", NULL };

static void block_signals(void) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
}

static int print_help(const HelpPage *page, Error *e) {
        _cleanup_(buf_done) Buf out = {};

        if (help_print(page, 0, &out) < 0)
                return error_oom(e);
        (void) fputs(out.p, stdout);
        return 0;
}

static bool has_word(const char *words, const char *word) {
        size_t n = strlen(word);

        for (const char *p = strempty(words); *p; p += strspn(p, " ")) {
                size_t k = strcspn(p, " ");

                if (k == n && memcmp(p, word, n) == 0)
                        return true;
                p += k;
        }
        return false;
}

/* An option that a kind does not take is an error: what was asked for would not be done. */
static int check_options(const Settings *s, const char *name, Error *e) {
        const Verb *verb = verb_find(verbs, ELEMENTSOF(verbs), name);

        for (const Assignment *a = settings_next(s, NULL); a && verb; a = settings_next(s, a)) {
                bool some = false;

                for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                        some = some || has_word(verbs[i].options, a->row->flag);
                if (some && !has_word(verb->options, a->row->flag))
                        return error_set(e, EINVAL, "--%s means nothing to %s", a->row->flag, name);
        }
        return 0;
}

static int transfer(const ImportOptions *o, char *const *words, Error *e) {
        Output output;
        KindContext c = { .options = o, .output = &output };
        int r;

        if (o->report_fd > 0) {
                r = fd_set_cloexec((int) o->report_fd, true);
                if (r < 0)
                        return error_set(e, r, "--report: descriptor %u cannot be used: %m",
                                         o->report_fd);
        }
        if (o->quiet)
                report_set_level(LOG_WARNING);
        output_init(&output, o->report_fd > 0 ? (int) o->report_fd : -EBADF);
        r = verb_run(verbs, ELEMENTSOF(verbs), words, &c, e);
        output_finish(&output, r, e);
        return r > 0 ? 128 + r : r;
}

static int start(const HelpPage *page, char *const *argv, ImportOptions *o, Error *e) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_strv_ char **rest = NULL;
        int r;

        settings_init(&s, import_settings, n_import_settings);
        r = settings_from_argv(&s, argv, 1, settings_stop_never, &rest, e);
        if (r >= 0)
                r = settings_apply(&s, o, e);
        if (r < 0)
                return r;
        if (o->help)
                return print_help(page, e);
        if (o->version) {
                (void) printf("skep-import %s\n", SKEP_VERSION);
                return 0;
        }
        r = rest && rest[0] ? check_options(&s, rest[0], e) : 0;
        return r < 0 ? r : transfer(o, rest, e);
}

int main(int argc, char *argv[]) {
        const HelpPage page = {
                .program = "skep-import",
                .usage = usage,
                .about =
                        "Make images from archives, disks and directories, and archives from images.",
                .manual = "skep-import(8)",
                .verbs = verbs,
                .n_verbs = ELEMENTSOF(verbs),
                .settings = import_settings,
                .n_settings = n_import_settings,
        };
        ImportOptions options;
        Error e = {};
        int r;

        report_init("skep-import");
        block_signals();
        import_options_init(&options);
        r = help_hidden(&page, argv + 1);
        if (r == 0)
                r = start(&page, argv + 1, &options, &e);
        else if (r > 0)
                r = 0;
        import_options_done(&options);
        return r < 0 ? report_error(&e) : r;
}
