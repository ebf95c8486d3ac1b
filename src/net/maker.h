/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who made what lies around in the kernel: a text that names a process for good, for the alias of an interface
 * or the comment of a table. A later start can so tell a leftover from what is in use. */
#pragma once

#include "base/error.h"

#define MAKER_MAX 64 /* with NUL */

/** maker_sign() - the text that names this process: "skep PID START". Return: 0 or -errno. */
int maker_sign(char ret[static MAKER_MAX]);
/** maker_is_dead() - whether @text names a process of ours, and that is gone */
bool maker_is_dead(const char *text);
