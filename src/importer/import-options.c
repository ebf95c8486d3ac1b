/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of options, see import-options.h. What they mean is up to the kinds. */
#include "importer/import-options.h"

#include <limits.h>

#include "base/parse.h"

static const char *const class_names[] = { "machine", "portable", "sysext", "confext", NULL };

/* As the bus has them, in the order of Format. */
static const char *const format_names[] = { "uncompressed", "gzip", "bzip2", "xz",
                                            "zstd",         "lz4",  NULL };

static int option_seconds(const Setting *row, const char *value, void *at, Error *e) {
        uint64_t v;

        if (parse_u64(value, 0, INT64_MAX - 1, &v) < 0)
                return error_set(e, EINVAL, "'%.60s' is no number of seconds since 1970", value);
        *(int64_t *) at = (int64_t) v;
        return 0;
}

static int option_size(const Setting *row, const char *value, void *at, Error *e) {
        if (parse_size(value, at) < 0)
                return error_set(e, EINVAL, "'%.60s' is no number of bytes", value);
        return 0;
}

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
        { .flag = "max-ratio",
          .metavar = "NUMBER",
          .help = "Refuse an archive that is unpacked to more than that many times its size; 0 = take any "
                  "(default: 200, beyond the first 64 MB)",
          .preset = "200",
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, max_ratio) },
        { .flag = "verify",
          .metavar = "MODE",
          .complete = "no checksum signature",
          .help = "How what is pulled is verified: no, checksum, signature, or by a SHA-256 or SHA-512 "
                  "digest that is given (default: signature); a file that is imported: no (default) or a "
                  "digest",
          .parse = setting_string,
          .at = offsetof(ImportOptions, verify) },
        { .flag = "keep-download",
          .metavar = "BOOL",
          .complete = "yes no",
          .help = "Keep what was downloaded as a hidden read-only image, which the image is a clone of",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, keep_download) },
        { .flag = "settings",
          .metavar = "BOOL",
          .complete = "yes no",
          .help = "Take the settings (.nspawn) along that lie beside what is pulled or imported (default: yes)",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, settings) },
        { .flag = "roothash",
          .metavar = "BOOL",
          .complete = "yes no",
          .help = "Take the root hash (.roothash, .usrhash) beside a disk along (default: yes)",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, roothash) },
        { .flag = "roothash-signature",
          .metavar = "BOOL",
          .complete = "yes no",
          .help = "Take the signature of the root hash beside a disk along (default: yes)",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, roothash_signature) },
        { .flag = "verity",
          .metavar = "BOOL",
          .complete = "yes no",
          .help = "Take the verity data (.verity) beside a disk along (default: yes)",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, verity) },
        { .flag = "direct",
          .help = "Write the disk to the block device or file that is named in place of an image",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, direct) },
        { .flag = "offset",
          .metavar = "BYTES",
          .help = "Let it begin there",
          .parse = option_size,
          .at = offsetof(ImportOptions, offset) },
        { .flag = "size-max",
          .metavar = "BYTES",
          .help = "Refuse one that is longer",
          .parse = option_size,
          .at = offsetof(ImportOptions, size_max) },
        { .flag = "connections",
          .metavar = "NUMBER",
          .help = "Use at most as many connections for a large file (default: 4)",
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, connections) },
        { .flag = "retries",
          .metavar = "NUMBER",
          .help = "Give up when as many attempts in a row brought nothing (default: 8)",
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, retries) },
        { .flag = "stall-timeout",
          .metavar = "SECONDS",
          .help = "End a connection by which next to nothing has come for so long (default: 60)",
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, stall) },
        { .flag = "netrc",
          .metavar = "FILE",
          .complete = "files",
          .help = "Users and passwords for servers (default: the credential import.netrc)",
          .parse = setting_path,
          .at = offsetof(ImportOptions, netrc) },
        { .flag = "tls-ca",
          .metavar = "FILE",
          .complete = "files",
          .help = "Authorities that vouch for servers (default: the credential import.tls-ca, else the "
                  "system's)",
          .parse = setting_path,
          .at = offsetof(ImportOptions, tls_ca) },
        { .flag = "tls-certificate",
          .metavar = "FILE",
          .complete = "files",
          .help = "Certificate to show to servers (default: the credential import.tls-certificate)",
          .parse = setting_path,
          .at = offsetof(ImportOptions, tls_certificate) },
        { .flag = "tls-key",
          .metavar = "FILE",
          .complete = "files",
          .help = "Private key of the certificate (default: the credential import.tls-key)",
          .parse = setting_path,
          .at = offsetof(ImportOptions, tls_key) },
        { .flag = "format",
          .metavar = "FORMAT",
          .complete = "uncompressed gzip bzip2 xz zstd lz4",
          .help = "How to pack what is exported (default: as the suffix of the file says)",
          .parse = setting_choice,
          .data = format_names,
          .at = offsetof(ImportOptions, format) },
        { .flag = "level",
          .metavar = "NUMBER",
          .help = "How hard to pack: 1 to 9 (gzip: 6, bzip2: 9), 0 to 9 (xz: 6), 1 to 19 (zstd: 3), 1 to 12 "
                  "(lz4: 1)",
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, level) },
        { .flag = "threads",
          .metavar = "NUMBER",
          .help = "How many processors to pack on, up to 8; 0 = all there are (default)",
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, threads) },
        { .flag = "checksum",
          .help = "Write a file beside what is exported, FILE.sha256, by which it can be verified",
          .parse = setting_bool,
          .at = offsetof(ImportOptions, checksum) },
        { .flag = "checksum-fd",
          .metavar = "FD",
          .flags = SETTING_HIDDEN,
          .parse = setting_unsigned,
          .at = offsetof(ImportOptions, checksum_fd) },
        { .flag = "checksum-name",
          .metavar = "NAME",
          .flags = SETTING_HIDDEN,
          .parse = setting_string,
          .at = offsetof(ImportOptions, checksum_name) },
        { .flag = "sign",
          .metavar = "[KEY]",
          .implied = "",
          .help = "Sign the checksum, FILE.sha256.asc, with this key or the default one of the caller",
          .parse = setting_string,
          .at = offsetof(ImportOptions, sign) },
        { .flag = "clamp-mtime",
          .metavar = "SECONDS",
          .help = "Say of what was changed later that it was changed then, in seconds since 1970 (default: "
                  "$SOURCE_DATE_EPOCH, if set)",
          .parse = option_seconds,
          .at = offsetof(ImportOptions, clamp_mtime) },
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
        *o = (ImportOptions){ .sync = true,
                              .settings = true,
                              .roothash = true,
                              .roothash_signature = true,
                              .verity = true,
                              .connections = 4,
                              .retries = 8,
                              .stall = 60,
                              .max_ratio = 200,
                              .format = -1,
                              .level = UINT_MAX,
                              .size_max = UINT64_MAX,
                              .clamp_mtime = INT64_MAX };

        const char *epoch = getenv("SOURCE_DATE_EPOCH");
        uint64_t v;
        if (epoch && parse_u64(epoch, 0, INT64_MAX - 1, &v) >= 0)
                o->clamp_mtime = (int64_t) v;
}

void import_options_done(ImportOptions *o) {
        free(o->image_root);
        free(o->verify);
        free(o->checksum_name);
        free(o->sign);
        free(o->netrc);
        free(o->tls_ca);
        free(o->tls_certificate);
        free(o->tls_key);
        *o = (ImportOptions){};
}
