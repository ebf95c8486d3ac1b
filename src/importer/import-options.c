/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of options, see import-options.h. What they mean is up to the kinds. */
#include "importer/import-options.h"

static const char *const class_names[] = { "machine", "portable", "sysext", "confext", NULL };

const Setting import_settings[] = {
        { .flag = "image-root",
          .metavar = "DIR",
          .group = "Options",
          .complete = "directories",
          .help = "The directory of images, in place of that of the class",
          .parse = setting_path,
          .at = offsetof(ImportOptions, image_root) },
        { .flag = "class",
          .metavar = "CLASS",
          .complete = "machine portable sysext confext",
          .help = "What the image is for: where it goes, and what may be in it (default: machine)",
          .parse = setting_choice,
          .data = class_names,
          .at = offsetof(ImportOptions, class) },
        { .flag = "force",
          .help = "Replace an image of the same name",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, force) },
        { .flag = "read-only",
          .help = "Mark the image read-only",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, read_only) },
        { .flag = "sync",
          .metavar = "BOOL",
          .complete = "yes no",
          .help = "Write the image to the disk before it is shown (default: yes)",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, sync) },
        { .flag = "sha256",
          .metavar = "HEX",
          .help = "Take only an archive with this digest",
          .parse = setting_string,
          .at = offsetof(ImportOptions, sha256) },
        { .flag = "max-ratio",
          .metavar = "NUMBER",
          .help = "Refuse an archive that is unpacked to more than that many times its size; 0 = take any "
                  "(default: 200, beyond the first 64 MB)",
          .preset = "200",
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, max_ratio) },
        { .flag = "report",
          .metavar = "FD",
          .flags = SETTING_HIDDEN,
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, report_fd) },
        { .flag = "quiet",
          .letter = 'q',
          .help = "Show no progress and no notes",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, quiet) },
        { .flag = "help",
          .letter = 'h',
          .help = "Show this text",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, help) },
        { .flag = "version",
          .help = "Show the version",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, version) },
};
const size_t n_import_settings = ELEMENTSOF(import_settings);

void import_options_init(ImportOptions *o) {
        *o = (ImportOptions){ .sync = true, .max_ratio = 200 };
}

void import_options_done(ImportOptions *o) {
        free(o->image_root);
        free(o->sha256);
        *o = (ImportOptions){};
}
