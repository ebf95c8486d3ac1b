/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings: a growable buffer, NULL-terminated vectors of strings, splitting, quoting, escaping. */
#pragma once

#include "base/error.h"

/* A growable byte buffer. All zero is empty. p is always NUL-terminated once anything was added; the
 * NUL is not counted in n. */
typedef struct Buf {
        char *p;
        size_t n;
        size_t size;
} Buf;

/** buf_done() - free what a buffer holds; it is empty again */
void buf_done(Buf *b);
/** buf_reserve() - make room for @n more bytes and the NUL. Return: 0 or -ENOMEM. */
int buf_reserve(Buf *b, size_t n);
/** buf_append() - add @n bytes. Return: 0 or -ENOMEM, nothing added. */
int buf_append(Buf *b, const void *data, size_t n);
/** buf_puts() - add a string. Return: as buf_append(). */
int buf_puts(Buf *b, const char *s);
/** buf_printf() - add formatted text. Return: as buf_append(). */
int buf_printf(Buf *b, const char *format, ...) _printf_(2, 3);
/** buf_take() - hand out the text (never NULL but for OOM) and leave the buffer empty */
char *buf_take(Buf *b);

/** str_format() - asprintf() that returns the string, owned by the caller; NULL = out of memory */
char *str_format(const char *format, ...) _printf_(1, 2);
/** str_skip_prefix() - what follows @prefix in @s; NULL if @s does not start with it */
const char *str_skip_prefix(const char *s, const char *prefix);
/** str_has_suffix() - whether @s ends with @suffix */
bool str_has_suffix(const char *s, const char *suffix);
/** str_strip() - cut white space off both ends, in place. Return: the first character that stays. */
char *str_strip(char *s);
/** str_is_utf8() - whether @n bytes are valid UTF-8 without NUL */
bool str_is_utf8(const char *s, size_t n);
/** str_make_utf8() - put a '?' in place of each byte that is not part of valid UTF-8 */
void str_make_utf8(char *s);
/** str_replace() - put a copy of @value (may be NULL) in *@p and free what was there.
 * Return: 0 or -ENOMEM, *@p untouched. */
int str_replace(char **p, const char *value);

/** hex_digit() - value of a hexadecimal digit; -1 = it is none */
int hex_digit(char c);
/** hex_parse() - @n bytes out of exactly twice as many digits. Return: 0; -EINVAL, @ret untouched. */
int hex_parse(const char *s, uint8_t *ret, size_t n);

/** str_escape() - C-style escapes for control characters, '\\' and every byte in @special.
 * Return: a new string; NULL = out of memory. */
char *str_escape(const char *s, const char *special);
/** str_unescape() - undo C-style escapes (\n \t \\ \" \' \s \xNN \NNN …).
 * Return: 0; -EINVAL for an unknown or cut escape, or an escaped NUL; -ENOMEM. */
int str_unescape(const char *s, char **ret);
/** str_unescape_bytes() - the same for what need not be text: NUL can be escaped too, and one is put
 * behind the @ret_n bytes */
int str_unescape_bytes(const char *s, char **ret, size_t *ret_n);

/* Vectors: arrays of strings that end with NULL; NULL itself is the empty vector. */

/** strv_free() - free the vector and its strings. Return: NULL. */
char **strv_free(char **v);
DEFINE_CLEANUP(char **, strv_free)
#define _cleanup_strv_     _cleanup_(strv_freep)
#define STRV_FOREACH(s, v) for (__typeof__(*(v)) *s = (v); s && *s; s++)

/** strv_length() - number of strings */
size_t strv_length(char *const *v);
/** strv_contains() - whether @s is one of @v */
bool strv_contains(char *const *v, const char *s);
/** strv_append() - add a copy of @s. Return: 0 or -ENOMEM, *@v unchanged. */
int strv_append(char ***v, const char *s);
/** strv_consume() - add @s, which now belongs to the vector, and is freed on failure.
 * A NULL @s counts as out of memory. Return: 0 or -ENOMEM. */
int strv_consume(char ***v, char *s);
/** strv_append_format() - add a formatted string. Return: 0 or -ENOMEM. */
int strv_append_format(char ***v, const char *format, ...) _printf_(2, 3);
/** strv_copy() - deep copy. Return: 0 or -ENOMEM. */
int strv_copy(char *const *v, char ***ret);
/** strv_join() - one string with @separator between; NULL = out of memory */
char *strv_join(char *const *v, const char *separator);
/** strv_env_set() - set NAME=VALUE in an environment vector, replacing an older NAME.
 * Return: 0 or -ENOMEM. */
int strv_env_set(char ***env, const char *assignment);
/** strv_env_get() - value of @name in an environment vector; NULL if it is not there */
const char *strv_env_get(char *const *env, const char *name);

/** str_split() - cut @s at every byte of @separators; empty pieces are left out.
 * Return: 0 or -ENOMEM. */
int str_split(const char *s, const char *separators, char ***ret);
/** str_split_quoted() - split at white space like a shell does: "…" and '…' group, C escapes work
 * Return: 0; -EINVAL for an open quote or a bad escape, with @e set; -ENOMEM. */
int str_split_quoted(const char *s, char ***ret, Error *e);
/** str_split_colon() - cut @s at ':'; "\:" is a colon that does not cut, "\\" a backslash. Empty
 * pieces stay. Return: 0; -EINVAL for a trailing backslash; -ENOMEM. */
int str_split_colon(const char *s, char ***ret);

/** env_name_is_valid() - whether @s up to @n bytes is a name for an environment variable */
bool env_name_is_valid(const char *s, size_t n);
/** env_assignment_is_valid() - NAME=VALUE with a valid name and no control bytes but tab and newline */
bool env_assignment_is_valid(const char *s);
