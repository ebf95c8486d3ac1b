/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 128-bit identifiers: machine IDs, boot IDs, container UUIDs. libc only. */
#pragma once

#include "base/error.h"

typedef struct Id128 {
        uint8_t bytes[16];
} Id128;

#define ID128_TEXT_MAX 37 /* with hyphens and NUL */

/** id128_parse() - 32 hex digits, or 36 characters in the hyphenated form. Return: 0 or -EINVAL. */
int id128_parse(const char *s, Id128 *ret);
/** id128_is_null() - whether all bytes are zero: "no ID" */
bool id128_is_null(const Id128 *id);
/** id128_equal() - whether two IDs are the same */
bool id128_equal(const Id128 *a, const Id128 *b);
/** id128_random() - a fresh random (version 4) ID. Return: 0 or -errno. */
int id128_random(Id128 *ret);
/** id128_format() - 32 lower-case hex digits. Return: @text. */
const char *id128_format(const Id128 *id, char text[static ID128_TEXT_MAX]);
/** id128_format_uuid() - the hyphenated form. Return: @text. */
const char *id128_format_uuid(const Id128 *id, char text[static ID128_TEXT_MAX]);
