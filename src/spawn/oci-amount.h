/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Amounts of linux.resources: what the specification means by them, what cgroup2 calls them, and which of them
 * go together. */
#pragma once

#include "oci/config.h"

#define OCI_CPU_PERIOD 100000U /* µs, if none is given */
#define OCI_IO_WEIGHT                                                                              \
        "io.weight" /* or io.bfq.weight, whichever there is; a weight of the document */
#define OCI_IO_WEIGHT_MAX 1000U
#define OCI_SWAP_UNSET    INT64_MIN

/** oci_cpu_weight() - cpu.weight, 1 to 10000, for shares, 2 to 262144 */
uint64_t oci_cpu_weight(uint64_t shares);
/** oci_io_weight() - io.weight, 1 to 10000, for a weight of 10 to 1000 */
uint64_t oci_io_weight(uint64_t weight);
/** oci_swap_alone() - what the document says of memory and swap together, for swap alone
 * @ret: bytes; -1 = no limit; OCI_SWAP_UNSET = nothing is said
 * Return: 0; -EINVAL less than the memory, or without a limit for that. */
int oci_swap_alone(const OciMemory *m, int64_t *ret, Error *e);

/* Whether cgroup2 can do what is asked for. Return: 0; -EINVAL; -EOPNOTSUPP. */
int oci_memory_check(const OciMemory *m, Buf *notes, Error *e);
int oci_cpu_check(const OciCpu *c, Error *e);
int oci_block_io_check(const OciBlockIo *b, Error *e);
int oci_page_size_check(const char *size, Error *e);
