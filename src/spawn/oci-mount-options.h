/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of a mount as documents of the OCI write them: which are the mount's, and which the file system's. */
#pragma once

#include "base/text.h"

/* How a mount is to be seen. Attributes are MOUNT_ATTR_*. */
typedef struct MountView {
        uint64_t set, clear;           /* of the mount itself */
        uint64_t deep_set, deep_clear; /* of everything mounted in it, too */
        uint64_t propagation;          /* MS_SHARED…; 0 = private */
        bool deep_propagation;
        bool bind, recursive; /* a bind; with everything mounted in it */
        bool idmap, deep_idmap;
        bool copy_up; /* tmpfs: filled with what it covers */
} MountView;

/** oci_mount_options() - sort the options of a mount
 * @ret_rest:  the file system's, "a=b,c"; NULL = none
 * Return: 0; -ENOMEM. */
int oci_mount_options(char *const *options, MountView *ret, char **ret_rest);
/** oci_mount_options_help() - all names that the first of them takes, for features. Return: 0 or -ENOMEM. */
int oci_mount_options_help(char ***ret);
