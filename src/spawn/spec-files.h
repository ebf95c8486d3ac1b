/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings files of a machine: NAME.nspawn, and NAME.nspawn.d/ with what is dropped in. */
#pragma once

#include "spawn/spec-settings.h"

/** spec_files_read() - find and read the files of a machine
 * Of NAME.nspawn the first one counts, in the order /etc/systemd/nspawn, /run/systemd/nspawn (for a user
 * their own two), the directory that holds the image. Then NAME.nspawn.d/?*.conf of all of these, sorted by
 * name; of two with one name the first counts. A link to /dev/null stands for nothing, and hides.
 * @found:      what the command line says; its machine and directory are resolved
 * @untrusted:  rank of what comes from beside the image, unless that is trusted by command
 * @trusted:    rank of everything else
 * Return: 0 or -errno. */
int spec_files_read(Settings *s, const Spec *found, unsigned untrusted, unsigned trusted, Error *e);

/** spec_specifiers() - (spec-specifier.c) what '%' stands for in the files of a machine
 * @machine:  its name, borrowed */
SpecifierTable spec_specifiers(const char *machine);
