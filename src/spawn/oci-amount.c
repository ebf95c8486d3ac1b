/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Amounts, see oci-amount.h. The formulas are those that runc and crun document. */
#include "spawn/oci-amount.h"

#define SHARES_MIN 2U
#define SHARES_MAX 262144U
#define WEIGHT_MIN 10U

uint64_t oci_cpu_weight(uint64_t shares) {
        shares = MIN(MAX(shares, (uint64_t) SHARES_MIN), (uint64_t) SHARES_MAX);
        return 1 + (shares - SHARES_MIN) * 9999 / (SHARES_MAX - SHARES_MIN);
}

uint64_t oci_io_weight(uint64_t weight) {
        weight = MIN(MAX(weight, (uint64_t) WEIGHT_MIN), (uint64_t) OCI_IO_WEIGHT_MAX);
        return 1 + (weight - WEIGHT_MIN) * 9999 / (OCI_IO_WEIGHT_MAX - WEIGHT_MIN);
}

int oci_swap_alone(const OciMemory *m, int64_t *ret, Error *e) {
        int64_t both = m->swap.value, memory = m->limit.value;

        *ret = OCI_SWAP_UNSET;
        /* Memory without limit has always meant swap without limit. */
        if (both < 0 || (both == 0 && memory < 0))
                *ret = -1;
        if (both <= 0)
                return 0;
        if (memory == 0)
                return error_set(e, EINVAL, "memory.swap needs a memory.limit, which it includes");
        if (memory < 0)
                return error_set(e, EINVAL, "memory.swap has a limit where memory.limit has none");
        if (both < memory)
                return error_set(e, EINVAL, "memory.swap %jd includes memory.limit, and is less",
                                 (intmax_t) both);
        *ret = both - memory;
        return 0;
}

int oci_memory_check(const OciMemory *m, Buf *notes, Error *e) {
        if (m->limit.value < -1 || m->reservation.value < -1 || m->swap.value < -1)
                return error_set(e, EINVAL, "memory: amounts are -1 or more");
        if (m->swappiness.set)
                return error_set(e, EOPNOTSUPP, "memory.swappiness: cgroup2 has none");
        if (m->disable_oom_killer.value)
                return error_set(e, EOPNOTSUPP, "memory.disableOOMKiller: cgroup2 cannot");
        if ((m->kernel.value > 0 || m->kernel_tcp.value > 0) && notes &&
            buf_puts(
                    notes,
                    "the kernel's memory has no limit of its own, it counts as the container's\n") <
                    0)
                return error_oom(e);
        return 0;
}

int oci_cpu_check(const OciCpu *c, Error *e) {
        if (c->realtime_period.value > 0 || c->realtime_runtime.value != 0)
                return error_set(e, EOPNOTSUPP,
                                 "cpu: cgroup2 has no limits for real-time scheduling");
        if (c->idle.set && c->idle.value != 0 && c->idle.value != 1)
                return error_set(e, EINVAL, "cpu.idle is 0 or 1");
        return 0;
}

int oci_block_io_check(const OciBlockIo *b, Error *e) {
        bool bad = b->weight.value != 0 &&
                   (b->weight.value < WEIGHT_MIN || b->weight.value > OCI_IO_WEIGHT_MAX);

        for (size_t i = 0; i < b->weight_devices.n; i++) {
                uint64_t w = b->weight_devices.v[i].weight.value;
                bad = bad || (w != 0 && (w < WEIGHT_MIN || w > OCI_IO_WEIGHT_MAX));
        }
        return bad ? error_set(e, EINVAL, "blockIO: weights are from %u to %u", WEIGHT_MIN,
                               OCI_IO_WEIGHT_MAX)
                   : 0;
}

int oci_page_size_check(const char *size, Error *e) {
        size_t n = strspn(size, "0123456789");

        if (n == 0 || n > 10 || size[0] == '0' ||
            !(streq(size + n, "KB") || streq(size + n, "MB") || streq(size + n, "GB")))
                return error_set(e, EINVAL, "hugepageLimits: '%.40s' is no page size like 2MB",
                                 size);
        return 0;
}
