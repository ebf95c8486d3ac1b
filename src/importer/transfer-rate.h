/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast something goes, and when it is through: a mean in which what is long past counts little. */
#pragma once

#include "base/macro.h"

/* All zero is nothing known. */
typedef struct TransferRate {
        uint64_t usec;   /* when it was heard of last */
        uint64_t bytes;  /* how many they were then */
        double per_usec; /* 0 = not known yet */
} TransferRate;

/** transfer_rate_add() - take a new number of bytes in
 * @now: µs of CLOCK_MONOTONIC. A number that is smaller than the last begins anew. */
void transfer_rate_add(TransferRate *r, uint64_t now, uint64_t bytes);
/** transfer_rate_get() - bytes per second; 0 = not known */
uint64_t transfer_rate_get(const TransferRate *r);
/** transfer_rate_eta() - µs until @total is reached; UINT64_MAX = not known */
uint64_t transfer_rate_eta(const TransferRate *r, uint64_t total);
