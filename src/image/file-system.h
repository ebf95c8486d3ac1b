/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems of images: what the kernel is to mount, and how, when libblkid has said what it is. */
#pragma once

#include "base/macro.h"

typedef struct FileSystem {
        const char *fstype;    /* libblkid's name */
        const char *type;      /* the kernel's */
        bool is_read_only;     /* always */
        bool is_for_boot;      /* of a boot loader, and nowhere else */
        const char *options;   /* always; NULL = none */
        const char *unwritten; /* so that mounting it read-only does not replay its journal */
} FileSystem;

/** file_system_find() - one by libblkid's name; NULL = it is none that we mount */
const FileSystem *file_system_find(const char *fstype);
/** file_system_options() - for mounting it, "a=b,c"; NULL = none */
const char *file_system_options(const FileSystem *f, bool read_only);
