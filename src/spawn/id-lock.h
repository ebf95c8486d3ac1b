/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has which ID ranges of the host. A machine that picks its range has it alone; one that was told its
 * ranges may share them with others that were told, never with one that picked. The locks are the
 * kernel's: they go with their owner however that ends. */
#pragma once

#include "spawn/run.h"

/* One file for each range that was picked, locked by who has it. */
#define ID_LOCK_DIR "/run/systemd/nspawn-uid"

/** id_lock_pick() - take the range at @base for ourselves
 * Fills run->range_lock_fd and run->ids_lock_fd. Return: 0; -EAGAIN somebody has (part of) it; -errno. */
int id_lock_pick(uid_t base, Run *run);

/** id_lock_share() - keep those who pick from the IDs that a machine was told
 * Fills run->ids_lock_fd if any of them could be picked. Return: 0; -EAGAIN; -errno. */
int id_lock_share(const IdRanges *ids, Run *run);

/** id_lock_release() - let go of both, and remove the file that bears the number of a picked range */
void id_lock_release(uid_t base, Run *run);
