/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of the form that systemd uses: [Section], Key=Value, '#' and ';' comments, a backslash at the
 * end of a line joins it to the next. */
#pragma once

#include "base/error.h"

/* One assignment. A negative errno ends the parse; the handler has filled @e, without the place. */
typedef int (*IniHandler)(const char *section, const char *key, const char *value, unsigned line,
                          void *userdata, Error *e);

/** ini_parse() - call @handler for each assignment of a text
 * Refuses NUL bytes, text that is not UTF-8, assignments outside a section and lines that are neither.
 * Sections whose name begins with "X-" are for others and passed over.
 * @name:  of the file, for messages
 * @text:  @n bytes, need not be NUL-terminated
 * Return: 0; -EINVAL with @e "NAME:LINE: …"; what the handler returned, with "NAME:LINE: " before it. */
int ini_parse(const char *name, const char *text, size_t n, IniHandler handler, void *userdata,
              Error *e);
