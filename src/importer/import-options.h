/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of skep-import, of all kinds of transfers. Which kind takes which is said in the table of
 * kinds (import-main.c). */
#pragma once

#include "base/setting.h"
#include "importer/image-class.h"

typedef struct ImportOptions {
        /* of all */
        char *image_root;
        bool quiet, help, version;
        unsigned report_fd; /* 0 = none */

        /* of what makes images */
        int class; /* ImageClass */
        bool force, read_only, sync;
        unsigned max_ratio; /* 0 = none */
        char *verify;       /* NULL = by signature what is pulled, else not */

        /* of disks that go to where they are meant to be at once */
        bool direct;
        uint64_t offset, size_max; /* bytes; the latter UINT64_MAX = as there are */

        /* of what pulls */
        bool keep_download, settings, roothash, roothash_signature, verity;
        char *netrc, *tls_ca, *tls_certificate,
                *tls_key; /* files; NULL = credentials, if there are any */
        unsigned connections, retries, stall;
        /* of what makes files of images */
        int format;           /* Format; -1 = as the file is called */
        unsigned level;       /* UINT_MAX = the packing's own */
        unsigned threads;     /* 0 = as many as there are processors */
        bool checksum;        /* beside the file */
        unsigned checksum_fd; /* or there; 0 = none */
        char *checksum_name;  /* of the file, in that case */
        char *sign;           /* a key, "" = the default; NULL = not */
        int64_t clamp_mtime;  /* s since 1970; INT64_MAX = none */
} ImportOptions;

extern const Setting import_settings[];
extern const size_t n_import_settings;

void import_options_init(ImportOptions *o);
void import_options_done(ImportOptions *o);
