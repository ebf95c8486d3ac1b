/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a unit that a machine has where the rest of it is somebody else's. */
#pragma once

#include "machined/machine.h"

/** subgroup_kill() - signal all processes in the machine's control group and below
 * In the machine of a user who is not root these are the user's own processes only: whatever else is
 * there was never theirs to signal.
 * Return: 0; -ESRCH nobody was there; -errno, with @e set. */
int subgroup_kill(const Machine *m, int signal, Error *e);
