/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders of versions: "NAME.v", "NAME.raw.v" and "NAME.mstack.v" hold NAME_VERSION_ARCH+LEFT-DONE, with the
 * same suffix but ".v", and stand for the best of them. Architecture and tries may be missing. */
#pragma once

#include "base/text.h"

#define VERSIONS_SUFFIX ".v"

/* What the name of one version says. */
typedef struct Version {
        char *version;      /* "" = it says none */
        char *architecture; /* NULL = any */
        uint64_t left;      /* tries; UINT64_MAX = as many as one likes */
        uint64_t done;
} Version;

/** version_done() - free what it holds */
void version_done(Version *v);
/** version_parse() - understand the name of an entry
 * @entry:  "web_1.2_x86-64+3-0.raw"
 * @name:   what it has to be a version of: "web"
 * @suffix: what it has to end with: ".raw", or ""
 * Return: 1; 0 it is no version of that; -ENOMEM. */
int version_parse(const char *entry, const char *name, const char *suffix, Version *ret);
/** version_compare() - two strings as versions: numbers by their value, '~' before the end, else bytes */
int version_compare(const char *a, const char *b);
/** version_is_better() - whether @a is to be taken rather than @b
 * One with tries left, then the newer, then the one for this very machine, then by tries. */
bool version_is_better(const Version *a, const Version *b);
/** version_fits() - whether this machine can run it: 2 natively; 1 as well; 0 not */
unsigned version_fits(const Version *v);

/** versions_list() - all versions in a folder, for any machine
 * @dir_fd: the folder
 * Return: 0 and their entries, in no order; -errno. */
int versions_list(int dir_fd, const char *name, const char *suffix, char ***ret);
/** versions_pick() - the best version in a folder
 * @want_directory: they are trees, else disks
 * Return: 1 and the name of its entry; 0 there is none for this machine; -errno. */
int versions_pick(int dir_fd, const char *name, const char *suffix, bool want_directory,
                  char **ret);
