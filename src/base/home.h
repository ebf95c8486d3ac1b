/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Places that there are twice: for the system, and for each user. A process is about one of the two from its
 * beginning to its end, and so are those that it starts: it is in the environment. */
#pragma once

#include "base/text.h"

/** home_set_user() - be about the user that this process runs as from now on
 * Return: 0; -ENXIO if nobody has said where the user's files are. */
int home_set_user(void);
/** home_is_user() - whether this process is about its user, and not about the system */
bool home_is_user(void);

/** home_run() - "/run/PATH", or the same below $XDG_RUNTIME_DIR; NULL = out of memory */
char *home_run(const char *format, ...) _printf_(1, 2);
/** home_etc() - "/etc/PATH", or the same below $XDG_CONFIG_HOME (~/.config); NULL = out of memory */
char *home_etc(const char *format, ...) _printf_(1, 2);
/** home_state() - "/var/lib/PATH", or the same below $XDG_STATE_HOME (~/.local/state); NULL = out of memory */
char *home_state(const char *format, ...) _printf_(1, 2);
/** home_below() - a path below the user's home directory; NULL = out of memory, or there is none */
char *home_below(const char *path);
