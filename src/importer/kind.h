/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of transfers: one file each, with one function that does it. Rows of names, arguments, options
 * and help are in import-main.c. */
#pragma once

#include "image/image.h"
#include "image/lock.h"
#include "importer/digest.h"
#include "importer/export-target.h"
#include "importer/format.h"
#include "importer/import-options.h"
#include "importer/import-run.h"
#include "importer/output.h"
#include "importer/tree.h"

/* What every kind is given. */
typedef struct KindContext {
        const ImportOptions *options;
        Output *output;
} KindContext;

/* A kind, as the `run` of a Verb. @args: as the row says. @context: KindContext.
 * Return: 0 done; > 0 a signal's number: given up, nothing is left; -errno, nothing is left. */
typedef int Kind(char *const *args, void *context, Error *e);

Kind kind_import_tar;
Kind kind_import_fs;
Kind kind_import_raw;
Kind kind_pull_tar;
Kind kind_pull_raw;
Kind kind_export_tar;
Kind kind_export_raw;

/* What several kinds do with their arguments. */

/** kind_open_source() - open a file to import; "-" is standard input
 * Return: an fd of a file, pipe or socket; -errno. */
int kind_open_source(const char *path, Error *e);
/** kind_source_size() - bytes that are to come from it; RECORD_UNKNOWN unless it is a file */
uint64_t kind_source_size(int fd);
/** kind_choose_name() - the image's name: @given, or else the last part of @source less its suffix
 * Return: 0 and a new, valid name; -EINVAL. */
int kind_choose_name(const char *source, const char *given, char **ret, Error *e);
/** kind_choose_digest() - that which a file to import has to have
 * Return: 1; 0 any will do; -EINVAL. */
int kind_choose_digest(const ImportOptions *o, Digest *ret, Error *e);
/** kind_choose_root() - where images are: --image-root=, or the directory of the class
 * @ret:          new string, with symlinks resolved as far as it exists: locks are by path
 * @ret_is_pool:  whether that is the pool of machines, where names are locked
 * Return: 0 or -errno. */
int kind_choose_root(const ImportOptions *o, char **ret, bool *ret_is_pool, Error *e);
/** kind_start() - what of an ImportJob is the same for all that make images
 * @name, @root: from the above, borrowed
 * Return: 0 or -ENOMEM. */
int kind_start(const KindContext *c, const char *source, const char *name, const char *root,
               bool lock_name, ImportJob *ret, Error *e);
/** kind_note_skipped() - tell people what was left out of a tree */
void kind_note_skipped(const TreeSkipped *s, Output *o);
/** kind_find_image() - the image to export, by name: in --image-root=, else where those of the class are
 * Return: 0; -ENOENT; -EINVAL = no name for an image; -errno. */
int kind_find_image(const ImportOptions *o, const char *name, Image **ret, Error *e);
/** kind_lock_exported() - keep an image from being removed while it is read; says so if it is written to meanwhile
 * @ret: NULL = it is in use. Return: 0 or -errno. */
int kind_lock_exported(const Image *image, Output *o, ImageLock **ret, Error *e);

typedef struct Packing {
        Format format;
        int level; /* or COMPRESS_LEVEL_DEFAULT */
        unsigned threads;
        ExportSeal seal;
} Packing;

/** kind_choose_packing() - as the options ask for, or as the file is called. Return: 0 or -EINVAL. */
int kind_choose_packing(const ImportOptions *o, const char *target, Packing *ret, Error *e);
