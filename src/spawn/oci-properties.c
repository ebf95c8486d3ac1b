/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of a container as properties of its unit, see oci_resources_properties(). The service manager then
 * knows of them and keeps them; what it has no property for is in the group's files alone. */
#include "spawn/oci-amount.h"
#include "spawn/oci-resources.h"

static int add_amount(char ***p, const char *name, int64_t amount) {
        if (amount == 0)
                return 0;
        return amount < 0 ? strv_append_format(p, "%s=infinity", name)
                          : strv_append_format(p, "%s=%jd", name, (intmax_t) amount);
}

static int add_memory(const OciMemory *m, char ***p, Error *e) {
        int64_t swap;
        int r = oci_memory_check(m, NULL, e);

        if (r >= 0)
                r = oci_swap_alone(m, &swap, e);
        if (r < 0)
                return r;
        r = add_amount(p, "MemoryMax", m->limit.value);
        if (r >= 0)
                r = add_amount(p, "MemoryLow", m->reservation.value);
        if (r >= 0 && swap == 0)
                r = strv_append(p, "MemorySwapMax=0");
        else if (r >= 0 && swap != OCI_SWAP_UNSET)
                r = add_amount(p, "MemorySwapMax", swap);
        return r < 0 ? error_oom(e) : 0;
}

/* The manager counts in whole percents of a CPU: up, so that nobody gets less than they were promised. */
static int add_quota(const OciCpu *c, char ***p) {
        uint64_t period = c->period.value ? c->period.value : OCI_CPU_PERIOD;
        uint64_t quota = (uint64_t) c->quota.value;

        if (c->quota.value <= 0)
                return c->quota.value < 0 ? strv_append(p, "CPUQuota=infinity") : 0;
        uint64_t percent = quota / period * 100 + (quota % period * 100 + period - 1) / period;
        return strv_append_format(p, "CPUQuota=%ju%%", (uintmax_t) percent);
}

static int add_cpu(const OciCpu *c, char ***p, Error *e) {
        int r = oci_cpu_check(c, e);

        if (r < 0)
                return r;
        if (c->idle.value == 1)
                r = strv_append(p, "CPUWeight=idle");
        else if (c->shares.value > 0)
                r = strv_append_format(p, "CPUWeight=%ju",
                                       (uintmax_t) oci_cpu_weight(c->shares.value));
        if (r >= 0)
                r = add_quota(c, p);
        if (r >= 0 && c->period.value > 0)
                r = strv_append_format(p, "CPUQuotaPeriodSec=%juus", (uintmax_t) c->period.value);
        if (r >= 0 && c->cpus && *c->cpus)
                r = strv_append_format(p, "AllowedCPUs=%s", c->cpus);
        if (r >= 0 && c->mems && *c->mems)
                r = strv_append_format(p, "AllowedMemoryNodes=%s", c->mems);
        return r < 0 ? error_oom(e) : 0;
}

static int add_throttle(const OciThrottleDevices *d, const char *name, char ***p) {
        int r = 0;

        for (size_t i = 0; i < d->n && r >= 0; i++)
                if (d->v[i].rate.value > 0)
                        r = strv_append_format(p, "%s=/dev/block/%jd:%jd %ju", name,
                                               (intmax_t) d->v[i].major.value,
                                               (intmax_t) d->v[i].minor.value,
                                               (uintmax_t) d->v[i].rate.value);
        return r;
}

static int add_block_io(const OciBlockIo *b, char ***p, Error *e) {
        int r = oci_block_io_check(b, e);

        if (r < 0)
                return r;
        if (b->weight.value > 0)
                r = strv_append_format(p, "IOWeight=%ju",
                                       (uintmax_t) oci_io_weight(b->weight.value));
        for (size_t i = 0; i < b->weight_devices.n && r >= 0; i++) {
                const OciWeightDevice *d = b->weight_devices.v + i;
                if (d->weight.value > 0)
                        r = strv_append_format(p, "IODeviceWeight=/dev/block/%jd:%jd %ju",
                                               (intmax_t) d->major.value, (intmax_t) d->minor.value,
                                               (uintmax_t) oci_io_weight(d->weight.value));
        }
        if (r >= 0)
                r = add_throttle(&b->read_bps, "IOReadBandwidthMax", p);
        if (r >= 0)
                r = add_throttle(&b->write_bps, "IOWriteBandwidthMax", p);
        if (r >= 0)
                r = add_throttle(&b->read_iops, "IOReadIOPSMax", p);
        if (r >= 0)
                r = add_throttle(&b->write_iops, "IOWriteIOPSMax", p);
        return r < 0 ? error_oom(e) : 0;
}

int oci_resources_properties(const OciResources *r, char ***ret, Error *e) {
        int k = add_memory(&r->memory, ret, e);

        if (k >= 0)
                k = add_cpu(&r->cpu, ret, e);
        if (k >= 0)
                k = add_block_io(&r->block_io, ret, e);
        if (k >= 0 && r->pids.limit.set &&
            add_amount(ret, "TasksMax", r->pids.limit.value > 0 ? r->pids.limit.value : -1) < 0)
                k = error_oom(e);
        return k < 0 ? error_wrap(e, k, "linux.resources") : 0;
}
