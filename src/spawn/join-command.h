/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-spawn --join=: from what the user typed to a command in a running machine, and its end. */
#pragma once

#include "spawn/spec.h"

/** join_command() - find the machine, run the command there, wait for it
 * @spec:       what of it --join has a use for: join, argv, environment, user, working_directory, console
 * @ret_status: the command's exit status, 128 + its signal; 125, 126, 127 as of a start that fails
 * Return: 0 or -errno. */
int join_command(const Spec *spec, int *ret_status, Error *e);
