/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which type UUIDs of a GPT stand for what, as the Discoverable Partitions Specification has it. */
#pragma once

#include "image/dissection.h"

/** partition_type_find() - fill in what a partition is for, by its p->type
 * Sets p->designator, and PARTITION_SECONDARY where it is for the other architecture that we run. */
void partition_type_find(Partition *p);
