/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users and passwords for hosts, in the form that ftp(1) and curl(1) have made usual. */
#pragma once

#include "base/error.h"

/** netrc_find() - what to log in with at a host
 * "machine HOST login USER password PASS", "default"; macros are passed over, "#" begins a comment at the start of a
 * word.
 * @ret_user, @ret_password: new strings; untouched if there is nothing for that host
 * Return: 0; -EINVAL; -ENOMEM. */
int netrc_find(const char *text, const char *host, char **ret_user, char **ret_password, Error *e);
