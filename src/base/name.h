/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which strings may be names: of hosts (and so of machines), of files. */
#pragma once

#include "base/macro.h"

#define HOST_NAME_LENGTH_MAX 64

/** hostname_is_valid() - labels of letters, digits and '-', joined by dots; no label empty or with a
 * '-' at either end; at most 64 bytes. This is also the rule for machine names. */
bool hostname_is_valid(const char *s);
/** hostname_clean() - make a valid host name out of anything, dropping what may not stay
 * Return: a new string, "" when nothing is left; NULL = out of memory. */
char *hostname_clean(const char *s);
/** filename_is_valid() - one component of a path: not empty, "." or "..", no '/', at most 255 bytes */
bool filename_is_valid(const char *s);
/** username_is_valid() - a user or group name as tools accept it; no digits-only names */
bool username_is_valid(const char *s);
