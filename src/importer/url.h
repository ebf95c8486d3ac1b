/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of what is pulled: http:, https: and file: URLs, as text. What is behind them, the fetcher knows. */
#pragma once

#include "base/error.h"

#define URL_MAX 4096

/** url_check() - whether @url is one that can be pulled
 * Return: 0; -EINVAL: of another scheme, without a host, too long, with blanks or control characters in it;
 * the message shows no password. */
int url_check(const char *url, Error *e);
/** url_is_file() - whether it is a "file:" URL */
bool url_is_file(const char *url);
/** url_file_path() - the path that a "file:" URL is about. Return: 0; -EINVAL; -ENOMEM. */
int url_file_path(const char *url, char **ret, Error *e);
/** url_is_https() - whether its scheme is https */
bool url_is_https(const char *url);
/** url_redacted() - as it may be shown: without user, password, query and fragment, which may hold secrets
 * Return: a new string; NULL = out of memory. */
char *url_redacted(const char *url);
/** url_host() - name of the host alone, in small letters; "" for files. NULL = out of memory. */
char *url_host(const char *url);
/** url_last() - the last component of its path, with %-escapes undone
 * Return: 0; -EINVAL there is none, or it has a '/' or a control character in it; -ENOMEM. */
int url_last(const char *url, char **ret, Error *e);
/** url_with_suffix() - the same with @suffix added to its path; NULL = out of memory */
char *url_with_suffix(const char *url, const char *suffix);
/** url_with_last() - the same with @name, which is escaped as it has to be, for the last component of its
 * path and without its query; NULL = out of memory */
char *url_with_last(const char *url, const char *name);
