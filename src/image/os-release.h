/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of KEY=value lines with the quoting of a shell: os-release, machine-info. What was read is a
 * vector of "KEY=value" strings, to be asked with strv_env_get(). */
#pragma once

#include "base/text.h"

#define OS_RELEASE_SIZE_MAX (64 * 1024)

/** os_release_parse() - read the text of such a file
 * Lines that are no assignment are skipped, as every reader of these files does; a key named twice
 * has its last value.
 * @text, @n:  the file; need not be terminated
 * @ret:       new vector, keys in the order of first appearance
 * Return: 0; -EINVAL with the line's number for an open quote, a NUL, text that is not UTF-8 or holds
 * control characters; -ENOMEM. */
int os_release_parse(const char *text, size_t n, char ***ret, Error *e);
/** os_release_format() - the text of a file that parses to @entries
 * Return: 0; -ENOMEM. */
int os_release_format(char *const *entries, Buf *ret);
/** os_release_pretty_name() - PRETTY_NAME, or else NAME with VERSION, or ID; NULL = none is there
 * Return: 0 and a new string or NULL; -ENOMEM. */
int os_release_pretty_name(char *const *entries, char **ret);
