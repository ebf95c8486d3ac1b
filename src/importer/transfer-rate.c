/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Speed and time left, see transfer-rate.h. */
#include "importer/transfer-rate.h"

/* Numbers that come quicker one after the other are taken together. */
#define SAMPLE_USEC UINT64_C(250000)
/* After so long half of what was known before is forgotten. */
#define HALF_USEC 4000000.0
#define ETA_MAX   1e15

void transfer_rate_add(TransferRate *r, uint64_t now, uint64_t bytes) {
        if (r->usec == 0 || bytes < r->bytes || now < r->usec) {
                *r = (TransferRate){ .usec = now, .bytes = bytes };
                return;
        }
        if (now - r->usec < SAMPLE_USEC)
                return;

        double span = (double) (now - r->usec);
        double sample = (double) (bytes - r->bytes) / span;
        double weight = span / (span + HALF_USEC);
        r->per_usec = r->per_usec > 0 ? r->per_usec + (sample - r->per_usec) * weight : sample;
        r->usec = now;
        r->bytes = bytes;
}

uint64_t transfer_rate_get(const TransferRate *r) {
        return (uint64_t) (r->per_usec * 1e6);
}

uint64_t transfer_rate_eta(const TransferRate *r, uint64_t total) {
        if (total == UINT64_MAX || r->per_usec <= 0)
                return UINT64_MAX;
        if (total <= r->bytes)
                return 0;
        double eta = (double) (total - r->bytes) / r->per_usec;
        return eta > ETA_MAX ? UINT64_MAX : (uint64_t) eta;
}
