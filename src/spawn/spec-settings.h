/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a Spec comes from: one row per option and key, the command line, the settings file. */
#pragma once

#include "spawn/spec.h"

/** spec_read() - command line, then the settings file that belongs to the machine, then
 * spec_resolve()
 * @ret:  initialised by the caller with spec_init()
 * Return: 0; SPEC_READ_DONE (> 0) if --help or --version was served; -errno. */
enum { SPEC_READ_DONE = 1 };
int spec_read(int argc, char **argv, Spec *ret, Error *e);

/** spec_check() - whether the Spec makes sense; refuses, never repairs. Return: 0 or -errno. */
int spec_check(const Spec *s, Error *e);
