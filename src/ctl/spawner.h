/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks skep-spawn whether it takes settings. It starts nothing. */
#pragma once

#include "base/error.h"
#include "base/text.h"

/** spawner_try() - have the spawner read a command line, and the settings files that it leads to
 * @arguments: without the program's name
 * Return: 0; -EINVAL with what the spawner says; -errno if it could not be asked. */
int spawner_try(char *const *arguments, Error *e);
