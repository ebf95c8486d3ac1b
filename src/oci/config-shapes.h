/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables behind config.h, one per object of the document. */
#pragma once

#include "oci/config.h"

extern const JsonShape oci_config_shape;
extern const JsonShape oci_process_shape;
extern const JsonShape oci_resources_shape;
extern const JsonShape oci_seccomp_shape;

/* Rows of the tables. */
#define OCI_ROW(type, member, json, of, ...)                                                       \
        { .name = json, .kind = &json_##of##_kind, .at = offsetof(type, member), __VA_ARGS__ }
#define OCI_SHAPE(shape_name, type, table, ...)                                                    \
        const JsonShape shape_name = {                                                             \
                .rows = table, .n = ELEMENTSOF(table), .size = sizeof(type), __VA_ARGS__           \
        }

#define OCI_ID_MAX 0xFFFFFFFEU /* of users and groups */

/** oci_check_absolute() - for rows: what is wrong with a path that has to be absolute */
const char *oci_check_absolute(const char *path);
/** oci_check_not_empty() - for rows: what is wrong with a string that has to say something */
const char *oci_check_not_empty(const char *text);
