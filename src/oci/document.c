/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of the document itself and of its linux part; those of its bigger parts are beside this. */
#include "oci/config-shapes.h"

const char *oci_check_absolute(const char *path) {
        return *path == '/' ? NULL : "not an absolute path";
}

const char *oci_check_not_empty(const char *text) {
        return *text ? NULL : "empty";
}

/* A semantic version of the first series. */
static const char *check_version(const char *s) {
        static const char digits[] = "0123456789";
        const char *p = s;

        for (unsigned i = 0; i < 3; i++) {
                size_t n = strspn(p, digits);

                if (n == 0 || (n > 1 && *p == '0') || (i < 2 && p[n] != '.'))
                        return "not a semantic version";
                p += n + (i < 2);
        }
        if (*p && *p != '-' && *p != '+')
                return "not a semantic version";
        for (; *p; p++)
                if (!strchr("+-.", *p) && !strchr(digits, *p) &&
                    !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z'))
                        return "not a semantic version";
        return str_skip_prefix(s, "1.") ? NULL : "only versions 1.x are known";
}

static const JsonRow root_rows[] = {
        OCI_ROW(OciRoot, path, "path", string, .required = true, .check = oci_check_not_empty),
        OCI_ROW(OciRoot, readonly, "readonly", bool),
};
static OCI_SHAPE(root_shape, OciRoot, root_rows);

static const JsonRow mapping_rows[] = {
        OCI_ROW(OciIdMapping, container, "containerID", unsigned, .required = true,
                .max = OCI_ID_MAX),
        OCI_ROW(OciIdMapping, host, "hostID", unsigned, .required = true, .max = OCI_ID_MAX),
        OCI_ROW(OciIdMapping, size, "size", unsigned, .required = true, .max = UINT32_MAX),
};
static OCI_SHAPE(mapping_shape, OciIdMapping, mapping_rows);

static const JsonRow mount_rows[] = {
        OCI_ROW(OciMount, destination, "destination", string, .required = true,
                .check = oci_check_not_empty),
        OCI_ROW(OciMount, source, "source", string),
        OCI_ROW(OciMount, type, "type", string),
        OCI_ROW(OciMount, options, "options", strings),
        OCI_ROW(OciMount, uid_mappings, "uidMappings", objects, .shape = &mapping_shape),
        OCI_ROW(OciMount, gid_mappings, "gidMappings", objects, .shape = &mapping_shape),
};

static const char *check_mount(const void *at) {
        const OciMount *m = at;

        return (m->uid_mappings.n > 0) != (m->gid_mappings.n > 0)
                       ? "uidMappings, gidMappings: one without the other"
                       : NULL;
}
static OCI_SHAPE(mount_shape, OciMount, mount_rows, .check = check_mount);

static const JsonRow hook_rows[] = {
        OCI_ROW(OciHook, path, "path", string, .required = true, .check = oci_check_absolute),
        OCI_ROW(OciHook, args, "args", strings),
        OCI_ROW(OciHook, env, "env", strings),
        OCI_ROW(OciHook, timeout, "timeout", integer, .min = 1, .max = INT32_MAX),
};
static OCI_SHAPE(hook_shape, OciHook, hook_rows);

#define HOOKS .shape = &hook_shape
static const JsonRow hooks_rows[] = {
        OCI_ROW(OciHooks, prestart, "prestart", objects, HOOKS),
        OCI_ROW(OciHooks, create_runtime, "createRuntime", objects, HOOKS),
        OCI_ROW(OciHooks, create_container, "createContainer", objects, HOOKS),
        OCI_ROW(OciHooks, start_container, "startContainer", objects, HOOKS),
        OCI_ROW(OciHooks, poststart, "poststart", objects, HOOKS),
        OCI_ROW(OciHooks, poststop, "poststop", objects, HOOKS),
};
static OCI_SHAPE(hooks_shape, OciHooks, hooks_rows);

static const char *const namespace_types[] = { "",    "pid",  "network", "mount", "ipc",
                                               "uts", "user", "cgroup",  "time",  NULL };
static const JsonRow namespace_rows[] = {
        OCI_ROW(OciNamespace, type, "type", choice, .names = namespace_types, .required = true),
        OCI_ROW(OciNamespace, path, "path", string),
};

/* An empty path is none: that is how a new namespace is written by some. */
static const char *check_namespace(const void *at) {
        const OciNamespace *n = at;

        return n->type == OCI_NAMESPACE_UNSET           ? "type: empty"
               : n->path && *n->path && *n->path != '/' ? "path: not an absolute path"
                                                        : NULL;
}
static OCI_SHAPE(namespace_shape, OciNamespace, namespace_rows, .check = check_namespace);

static const JsonRow offset_rows[] = {
        OCI_ROW(OciTimeOffset, seconds, "secs", integer),
        OCI_ROW(OciTimeOffset, nanoseconds, "nanosecs", unsigned, .max = 999999999),
};
static OCI_SHAPE(offset_shape, OciTimeOffset, offset_rows);

static const char *const device_types[] = { "", "c", "u", "b", "p", NULL };
static const JsonRow device_rows[] = {
        OCI_ROW(OciDevice, type, "type", choice, .names = device_types, .required = true),
        OCI_ROW(OciDevice, path, "path", string, .required = true, .check = oci_check_absolute),
        OCI_ROW(OciDevice, major, "major", integer, .max = UINT32_MAX),
        OCI_ROW(OciDevice, minor, "minor", integer, .max = UINT32_MAX),
        OCI_ROW(OciDevice, mode, "fileMode", unsigned, .max = 0177777),
        OCI_ROW(OciDevice, uid, "uid", unsigned, .max = OCI_ID_MAX),
        OCI_ROW(OciDevice, gid, "gid", unsigned, .max = OCI_ID_MAX),
};

static const char *check_device(const void *at) {
        const OciDevice *d = at;

        return d->type == OCI_DEVICE_UNSET ? "type: empty"
               : d->type != OCI_DEVICE_FIFO && (!d->major.set || !d->minor.set)
                       ? "major, minor: missing"
                       : NULL;
}
static OCI_SHAPE(device_shape, OciDevice, device_rows, .check = check_device);

static const JsonRow rdt_rows[] = {
        OCI_ROW(OciIntelRdt, closid, "closID", string),
        OCI_ROW(OciIntelRdt, l3_cache_schema, "l3CacheSchema", string),
        OCI_ROW(OciIntelRdt, mem_bw_schema, "memBwSchema", string),
        OCI_ROW(OciIntelRdt, schemata, "schemata", strings),
        OCI_ROW(OciIntelRdt, enable_cmt, "enableCMT", maybe),
        OCI_ROW(OciIntelRdt, enable_mbm, "enableMBM", maybe),
        OCI_ROW(OciIntelRdt, enable_monitoring, "enableMonitoring", maybe),
};
static OCI_SHAPE(rdt_shape, OciIntelRdt, rdt_rows);

static const char *const domains[] = { "", "LINUX", "LINUX32", NULL };
static const JsonRow personality_rows[] = {
        OCI_ROW(OciPersonality, domain, "domain", choice, .names = domains, .required = true),
        OCI_ROW(OciPersonality, flags, "flags", strings),
};
static OCI_SHAPE(personality_shape, OciPersonality, personality_rows);

static const char *const propagations[] = { "",        "shared",     "slave",
                                            "private", "unbindable", "rshared",
                                            "rslave",  "rprivate",   "runbindable",
                                            NULL };
static const JsonRow linux_rows[] = {
        OCI_ROW(OciLinux, namespaces, "namespaces", objects, .shape = &namespace_shape),
        OCI_ROW(OciLinux, uid_mappings, "uidMappings", objects, .shape = &mapping_shape),
        OCI_ROW(OciLinux, gid_mappings, "gidMappings", objects, .shape = &mapping_shape),
        OCI_ROW(OciLinux, time_offsets, "timeOffsets", map, .shape = &offset_shape),
        OCI_ROW(OciLinux, devices, "devices", objects, .shape = &device_shape),
        OCI_ROW(OciLinux, cgroups_path, "cgroupsPath", string),
        OCI_ROW(OciLinux, resources, "resources", maybe_object, .shape = &oci_resources_shape),
        OCI_ROW(OciLinux, intel_rdt, "intelRdt", maybe_object, .shape = &rdt_shape),
        OCI_ROW(OciLinux, sysctl, "sysctl", pairs),
        OCI_ROW(OciLinux, seccomp, "seccomp", maybe_object, .shape = &oci_seccomp_shape),
        OCI_ROW(OciLinux, rootfs_propagation, "rootfsPropagation", choice, .names = propagations),
        OCI_ROW(OciLinux, masked_paths, "maskedPaths", strings, .check = oci_check_absolute),
        OCI_ROW(OciLinux, readonly_paths, "readonlyPaths", strings, .check = oci_check_absolute),
        OCI_ROW(OciLinux, mount_label, "mountLabel", string),
        OCI_ROW(OciLinux, personality, "personality", maybe_object, .shape = &personality_shape),
};

static const char *check_linux(const void *at) {
        const OciLinux *l = at;
        unsigned seen = 0;

        for (size_t i = 0; i < l->namespaces.n; i++) {
                unsigned bit = 1U << l->namespaces.v[i].type;
                if (seen & bit)
                        return "namespaces: one type is given twice";
                seen |= bit;
        }
        for (size_t i = 0; i < l->time_offsets.n; i++)
                if (!streq(l->time_offsets.v[i].name, "monotonic") &&
                    !streq(l->time_offsets.v[i].name, "boottime"))
                        return "timeOffsets: only of the clocks monotonic and boottime";
        return NULL;
}
static OCI_SHAPE(linux_shape, OciLinux, linux_rows, .check = check_linux);

static const JsonRow config_rows[] = {
        OCI_ROW(OciConfig, version, "ociVersion", string, .required = true, .check = check_version),
        OCI_ROW(OciConfig, process, "process", maybe_object, .shape = &oci_process_shape),
        OCI_ROW(OciConfig, root, "root", maybe_object, .shape = &root_shape),
        OCI_ROW(OciConfig, hostname, "hostname", string),
        OCI_ROW(OciConfig, domainname, "domainname", string),
        OCI_ROW(OciConfig, mounts, "mounts", objects, .shape = &mount_shape),
        OCI_ROW(OciConfig, hooks, "hooks", object, .shape = &hooks_shape),
        OCI_ROW(OciConfig, annotations, "annotations", pairs),
        OCI_ROW(OciConfig, linux_, "linux", object, .shape = &linux_shape),
};

OCI_SHAPE(oci_config_shape, OciConfig, config_rows);
