/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What belongs to an image and goes with it: files beside it (NAME.roothash and the like), settings
 * (NAME.nspawn and NAME.nspawn.d beside it, in /etc and in /run; never in /usr), and what systemd was told of
 * the machine: links that enable it and files that change its unit. None of them has to be there. */
#pragma once

#include "image/transaction.h"

typedef enum CompanionKind {
        COMPANION_SETTINGS, /* how the image is to be run, but not what it is */
        COMPANION_CONTENT, /* what is in the image: who has the one without the other has less, or nothing */
        COMPANION_STATE, /* of one machine, not to be had twice */
} CompanionKind;

/** companion_suffix() - what a file beside an image has after the image's name: ".roothash"
 * For who makes images: the files are looked for in the directory that has the image's entry.
 * @rank:     from 0
 * @ret_kind: may be NULL
 * Return: NULL = there is no such rank. */
const char *companion_suffix(size_t rank, CompanionKind *ret_kind);
/** companion_is_one() - whether the name of a file says that it goes with an image */
bool companion_is_one(const char *entry);
/** companions_remove() - plan to remove them
 * @directory:     of the image's entry, here and below
 * @keep_settings: only what makes no sense without the image
 * Return: 0 or -errno. */
int companions_remove(const char *directory, const char *name, bool keep_settings, Transaction *t,
                      Error *e);
/** companions_rename() - plan to rename them, each in its own directory
 * Return: 0; -EEXIST something has a new name already; -errno. */
int companions_rename(const char *directory, const char *name, const char *new_name, Transaction *t,
                      Error *e);
/** companions_copy() - copy those beside the image and its settings, under temporary names, and plan to give
 * them their own
 * The state of a TPM and of firmware is one machine's alone, and a clone is not enabled because its original is.
 * @to:    directory of the new entry
 * @kinds: 1 << COMPANION_…; what is in /etc and /run is of COMPANION_SETTINGS
 * Return: 0; -EEXIST; -errno, temporary_sweep() removes what is there. */
int companions_copy(const char *directory, const char *name, const char *to, const char *new_name,
                    unsigned kinds, Transaction *t, Error *e);
/** companions_rename_content() - plan to rename what lies beside one version of an image
 * @now:       the folder of versions, where it is now
 * @directory: where it will be when it is this step's turn
 * Return: 0 or -errno. */
int companions_rename_content(const char *now, const char *directory, const char *name,
                              const char *new_name, Transaction *t, Error *e);
/** companions_sweep() - remove what companions_copy() left over when it was killed */
void companions_sweep(void);
/** companions_touch_units() - whether systemd has to read its units again after this */
bool companions_touch_units(const Transaction *t);
