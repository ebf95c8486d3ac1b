/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long text for somebody at a terminal. */
#pragma once

#include "base/error.h"

/** pager_show() - write @text to stdout; through a pager if stdin and stdout are a terminal that it does
 * not fit on. $SYSTEMD_PAGER, then $PAGER say which; empty or "cat" means none; the default is less.
 * Return: 0 or -errno; a reader who went away early is no error. */
int pager_show(const char *text, size_t n, bool allow_pager, Error *e);
