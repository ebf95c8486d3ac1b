/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading JSON text where it lies: no tree is made, values are pointers into the text. For small records of
 * which a few members are wanted. */
#pragma once

#include "base/text.h"

#define JSON_DEPTH_MAX 64U

/** json_check() - whether a text is one JSON value and nothing else
 * The functions below are for texts that are.
 * Return: 0; -EINVAL. */
int json_check(const char *text);

/** json_member() - value of a member of an object; of several of one name the last one
 * Return: 0; -ENOENT it has none, or @object is no object. */
int json_member(const char *object, const char *name, const char **ret);

/** json_string() - a string, without its quotes and escapes
 * Return: 0; -EINVAL it is none, or holds a NUL; -ENOMEM. */
int json_string(const char *value, char **ret);
/** json_strings() - an array of strings. Return: 0; -EINVAL; -ENOMEM. */
int json_strings(const char *value, char ***ret);
/** json_unsigned() - a number that is none but digits. Return: 0; -EINVAL, -ERANGE. */
int json_unsigned(const char *value, uint64_t *ret);
/** json_integer() - a number that is none but digits after an optional minus. Return: 0; -EINVAL, -ERANGE. */
int json_integer(const char *value, int64_t *ret);

/** json_space() - what follows white space */
static inline const char *json_space(const char *p) {
        return p + strspn(p, " \t\n\r");
}
/** json_skip() - what follows a value and white space after it. Return: NULL if there is no value. */
const char *json_skip(const char *value);

/** json_puts() - add a string to JSON text, quoted and escaped; what is not UTF-8 becomes U+FFFD
 * Return: 0 or -ENOMEM. */
int json_puts(Buf *out, const char *s);
