/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of linux.resources: what a container may use. What its values come to is not known here. */
#include "oci/config-shapes.h"

static const char *const device_types[] = { "", "c", "u", "b", "p", "a", NULL };

static const char *check_access(const char *s) {
        return s[strspn(s, "rwm")] ? "only the letters r, w and m" : NULL;
}

static const JsonRow device_rows[] = {
        OCI_ROW(OciDeviceRule, allow, "allow", bool, .required = true),
        OCI_ROW(OciDeviceRule, type, "type", choice, .names = device_types),
        OCI_ROW(OciDeviceRule, major, "major", integer),
        OCI_ROW(OciDeviceRule, minor, "minor", integer),
        OCI_ROW(OciDeviceRule, access, "access", string, .check = check_access),
};
static OCI_SHAPE(device_shape, OciDeviceRule, device_rows);

static const JsonRow memory_rows[] = {
        OCI_ROW(OciMemory, limit, "limit", integer),
        OCI_ROW(OciMemory, reservation, "reservation", integer),
        OCI_ROW(OciMemory, swap, "swap", integer),
        OCI_ROW(OciMemory, kernel, "kernel", integer),
        OCI_ROW(OciMemory, kernel_tcp, "kernelTCP", integer),
        OCI_ROW(OciMemory, swappiness, "swappiness", unsigned),
        OCI_ROW(OciMemory, disable_oom_killer, "disableOOMKiller", maybe),
        OCI_ROW(OciMemory, use_hierarchy, "useHierarchy", maybe),
        OCI_ROW(OciMemory, check_before_update, "checkBeforeUpdate", maybe),
};
static OCI_SHAPE(memory_shape, OciMemory, memory_rows);

static const JsonRow cpu_rows[] = {
        OCI_ROW(OciCpu, shares, "shares", unsigned),
        OCI_ROW(OciCpu, quota, "quota", integer),
        OCI_ROW(OciCpu, burst, "burst", unsigned),
        OCI_ROW(OciCpu, period, "period", unsigned),
        OCI_ROW(OciCpu, realtime_runtime, "realtimeRuntime", integer),
        OCI_ROW(OciCpu, realtime_period, "realtimePeriod", unsigned),
        OCI_ROW(OciCpu, cpus, "cpus", string),
        OCI_ROW(OciCpu, mems, "mems", string),
        OCI_ROW(OciCpu, idle, "idle", integer),
};
static OCI_SHAPE(cpu_shape, OciCpu, cpu_rows);

static const JsonRow pids_rows[] = {
        OCI_ROW(OciPids, limit, "limit", integer),
};
static OCI_SHAPE(pids_shape, OciPids, pids_rows);

#define WEIGHT .max = UINT16_MAX
static const JsonRow weight_rows[] = {
        OCI_ROW(OciWeightDevice, major, "major", integer, .required = true),
        OCI_ROW(OciWeightDevice, minor, "minor", integer, .required = true),
        OCI_ROW(OciWeightDevice, weight, "weight", unsigned, WEIGHT),
        OCI_ROW(OciWeightDevice, leaf_weight, "leafWeight", unsigned, WEIGHT),
};
static OCI_SHAPE(weight_shape, OciWeightDevice, weight_rows);

static const JsonRow throttle_rows[] = {
        OCI_ROW(OciThrottleDevice, major, "major", integer, .required = true),
        OCI_ROW(OciThrottleDevice, minor, "minor", integer, .required = true),
        OCI_ROW(OciThrottleDevice, rate, "rate", unsigned, .required = true),
};
static OCI_SHAPE(throttle_shape, OciThrottleDevice, throttle_rows);

#define THROTTLE .shape = &throttle_shape
static const JsonRow block_io_rows[] = {
        OCI_ROW(OciBlockIo, weight, "weight", unsigned, WEIGHT),
        OCI_ROW(OciBlockIo, leaf_weight, "leafWeight", unsigned, WEIGHT),
        OCI_ROW(OciBlockIo, weight_devices, "weightDevice", objects, .shape = &weight_shape),
        OCI_ROW(OciBlockIo, read_bps, "throttleReadBpsDevice", objects, THROTTLE),
        OCI_ROW(OciBlockIo, write_bps, "throttleWriteBpsDevice", objects, THROTTLE),
        OCI_ROW(OciBlockIo, read_iops, "throttleReadIOPSDevice", objects, THROTTLE),
        OCI_ROW(OciBlockIo, write_iops, "throttleWriteIOPSDevice", objects, THROTTLE),
};
static OCI_SHAPE(block_io_shape, OciBlockIo, block_io_rows);

static const JsonRow hugepage_rows[] = {
        OCI_ROW(OciHugepageLimit, page_size, "pageSize", string, .required = true,
                .check = oci_check_not_empty),
        OCI_ROW(OciHugepageLimit, limit, "limit", unsigned, .required = true),
};
static OCI_SHAPE(hugepage_shape, OciHugepageLimit, hugepage_rows);

static const JsonRow interface_rows[] = {
        OCI_ROW(OciInterfacePriority, name, "name", string, .required = true,
                .check = oci_check_not_empty),
        OCI_ROW(OciInterfacePriority, priority, "priority", unsigned, .required = true,
                .max = UINT32_MAX),
};
static OCI_SHAPE(interface_shape, OciInterfacePriority, interface_rows);

static const JsonRow network_rows[] = {
        OCI_ROW(OciNetworkResource, class_id, "classID", unsigned, .max = UINT32_MAX),
        OCI_ROW(OciNetworkResource, priorities, "priorities", objects, .shape = &interface_shape),
};
static OCI_SHAPE(network_shape, OciNetworkResource, network_rows);

static const JsonRow rdma_rows[] = {
        OCI_ROW(OciRdma, handles, "hcaHandles", unsigned, .max = UINT32_MAX),
        OCI_ROW(OciRdma, objects, "hcaObjects", unsigned, .max = UINT32_MAX),
};
static OCI_SHAPE(rdma_shape, OciRdma, rdma_rows);

static const JsonRow resources_rows[] = {
        OCI_ROW(OciResources, devices, "devices", objects, .shape = &device_shape),
        OCI_ROW(OciResources, memory, "memory", object, .shape = &memory_shape),
        OCI_ROW(OciResources, cpu, "cpu", object, .shape = &cpu_shape),
        OCI_ROW(OciResources, pids, "pids", object, .shape = &pids_shape),
        OCI_ROW(OciResources, block_io, "blockIO", object, .shape = &block_io_shape),
        OCI_ROW(OciResources, hugepage_limits, "hugepageLimits", objects, .shape = &hugepage_shape),
        OCI_ROW(OciResources, network, "network", object, .shape = &network_shape),
        OCI_ROW(OciResources, rdma, "rdma", map, .shape = &rdma_shape),
        OCI_ROW(OciResources, unified, "unified", pairs),
};

/* Their names become names of files. */
static const char *check_resources(const void *at) {
        const OciResources *r = at;

        for (size_t i = 0; i < r->unified.n; i++) {
                const char *name = r->unified.v[i].name;
                if (!*name || strchr(name, '/') || streq(name, ".") || streq(name, ".."))
                        return "unified: what is named there is no file of a control group";
        }
        return NULL;
}

OCI_SHAPE(oci_resources_shape, OciResources, resources_rows, .check = check_resources);
