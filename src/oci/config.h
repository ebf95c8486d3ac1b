/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What config.json of an OCI runtime bundle says, as far as it is for Linux: all of runtime-spec 1.0 to 1.2, as
 * data. What the kernel or a file would have to be asked for is not checked here, nor is anything filled in:
 * what the document does not say is unset, empty or NULL. */
#pragma once

#include "base/json-shape.h"

#define OCI_DOCUMENT_MAX (8U * 1024U * 1024U) /* bytes */

typedef struct OciCapabilities {
        char **bounding, **effective, **inheritable, **permitted,
                **ambient; /* "CAP_…" as written */
} OciCapabilities;

typedef struct OciRlimit {
        char *type; /* "RLIMIT_…" */
        JsonUnsigned soft, hard;
} OciRlimit;

typedef struct OciUser {
        JsonUnsigned uid, gid; /* unset: 0 */
        JsonUnsigned umask;
        JsonNumbers additional_gids;
} OciUser;

typedef enum OciIoClass {
        OCI_IO_CLASS_UNSET,
        OCI_IO_CLASS_RT,
        OCI_IO_CLASS_BE,
        OCI_IO_CLASS_IDLE,
        _OCI_IO_CLASS_MAX,
} OciIoClass;

typedef struct OciIoPriority {
        int class; /* OciIoClass */
        JsonInteger priority;
} OciIoPriority;

typedef enum OciSchedulerPolicy {
        OCI_SCHED_UNSET,
        OCI_SCHED_OTHER,
        OCI_SCHED_FIFO,
        OCI_SCHED_RR,
        OCI_SCHED_BATCH,
        OCI_SCHED_ISO,
        OCI_SCHED_IDLE,
        OCI_SCHED_DEADLINE,
        _OCI_SCHED_MAX,
} OciSchedulerPolicy;

typedef enum OciSchedulerFlag {
        OCI_SCHED_FLAG_UNSET,
        OCI_SCHED_FLAG_RESET_ON_FORK,
        OCI_SCHED_FLAG_RECLAIM,
        OCI_SCHED_FLAG_DL_OVERRUN,
        OCI_SCHED_FLAG_KEEP_POLICY,
        OCI_SCHED_FLAG_KEEP_PARAMS,
        OCI_SCHED_FLAG_UTIL_CLAMP_MIN,
        OCI_SCHED_FLAG_UTIL_CLAMP_MAX,
        _OCI_SCHED_FLAG_MAX,
} OciSchedulerFlag;

typedef struct OciScheduler {
        int policy;     /* OciSchedulerPolicy */
        uint64_t flags; /* 1 << OciSchedulerFlag */
        JsonInteger nice, priority;
        JsonUnsigned runtime, deadline, period; /* ns */
} OciScheduler;

/* Which CPUs an exec'ed process is on: while it is being made, and once it runs. */
typedef struct OciExecAffinity {
        char *initial, *final; /* "0-3,7" */
} OciExecAffinity;

typedef struct OciConsoleSize {
        JsonUnsigned height, width;
} OciConsoleSize;

typedef struct OciProcess {
        bool terminal;
        OciConsoleSize console_size;
        OciUser user;
        char **args; /* NULL = none */
        char **env;
        char *cwd; /* absolute */
        OciCapabilities *capabilities;
        JSON_LIST(OciRlimit) rlimits;
        bool no_new_privileges;
        JsonInteger oom_score_adj;
        char *apparmor_profile;
        char *selinux_label;
        OciIoPriority *io_priority;
        OciScheduler *scheduler;
        OciExecAffinity exec_affinity;
} OciProcess;

typedef struct OciRoot {
        char *path; /* absolute, or relative to the bundle */
        bool readonly;
} OciRoot;

typedef struct OciIdMapping {
        JsonUnsigned container, host, size;
} OciIdMapping;
typedef JSON_LIST(OciIdMapping) OciIdMappings;

typedef struct OciMount {
        char *destination; /* as written; absolute but in old documents */
        char *source, *type;
        char **options;
        OciIdMappings uid_mappings, gid_mappings;
} OciMount;

typedef struct OciHook {
        char *path;          /* absolute */
        char **args, **env;  /* args: with argv[0] */
        JsonInteger timeout; /* s, > 0 */
} OciHook;
typedef JSON_LIST(OciHook) OciHookList;

typedef struct OciHooks {
        OciHookList prestart, create_runtime, create_container, start_container, poststart,
                poststop;
} OciHooks;

typedef enum OciNamespaceType {
        OCI_NAMESPACE_UNSET,
        OCI_NAMESPACE_PID,
        OCI_NAMESPACE_NETWORK,
        OCI_NAMESPACE_MOUNT,
        OCI_NAMESPACE_IPC,
        OCI_NAMESPACE_UTS,
        OCI_NAMESPACE_USER,
        OCI_NAMESPACE_CGROUP,
        OCI_NAMESPACE_TIME,
        _OCI_NAMESPACE_MAX,
} OciNamespaceType;

typedef struct OciNamespace {
        int type;   /* OciNamespaceType; each at most once */
        char *path; /* absolute; NULL = a new one */
} OciNamespace;

typedef struct OciTimeOffset {
        char *name; /* "monotonic", "boottime" */
        JsonInteger seconds;
        JsonUnsigned nanoseconds;
} OciTimeOffset;

typedef enum OciDeviceType {
        OCI_DEVICE_UNSET,
        OCI_DEVICE_CHAR,       /* "c" */
        OCI_DEVICE_UNBUFFERED, /* "u", which is the same */
        OCI_DEVICE_BLOCK,      /* "b" */
        OCI_DEVICE_FIFO,       /* "p" */
        OCI_DEVICE_ALL,        /* "a": only of a rule of the device policy */
        _OCI_DEVICE_MAX,
} OciDeviceType;

typedef struct OciDevice {
        int type;   /* OciDeviceType */
        char *path; /* absolute, in the container */
        JsonInteger major, minor;
        JsonUnsigned mode; /* may have the type in it */
        JsonUnsigned uid, gid;
} OciDevice;

/* Of the device policy. */
typedef struct OciDeviceRule {
        bool allow;
        int type;                 /* OciDeviceType; unset: all */
        JsonInteger major, minor; /* unset: all; -1 as well */
        char *access;             /* of "rwm"; NULL = all */
} OciDeviceRule;

typedef struct OciMemory {
        JsonInteger limit, reservation, swap; /* bytes; -1 = unlimited; swap: with memory */
        JsonInteger kernel, kernel_tcp;
        JsonUnsigned swappiness;
        JsonBool disable_oom_killer, use_hierarchy, check_before_update;
} OciMemory;

typedef struct OciCpu {
        JsonUnsigned shares; /* 2 to 262144 */
        JsonInteger quota;   /* µs in a period; -1 = unlimited */
        JsonUnsigned burst, period;
        JsonInteger realtime_runtime;
        JsonUnsigned realtime_period;
        char *cpus, *mems;
        JsonInteger idle;
} OciCpu;

typedef struct OciPids {
        JsonInteger limit; /* 0 or less: unlimited */
} OciPids;

typedef struct OciWeightDevice {
        JsonInteger major, minor;
        JsonUnsigned weight, leaf_weight;
} OciWeightDevice;

typedef struct OciThrottleDevice {
        JsonInteger major, minor;
        JsonUnsigned rate; /* bytes or operations a second */
} OciThrottleDevice;
typedef JSON_LIST(OciThrottleDevice) OciThrottleDevices;

typedef struct OciBlockIo {
        JsonUnsigned weight, leaf_weight;
        JSON_LIST(OciWeightDevice) weight_devices;
        OciThrottleDevices read_bps, write_bps, read_iops, write_iops;
} OciBlockIo;

typedef struct OciHugepageLimit {
        char *page_size; /* "2MB" */
        JsonUnsigned limit;
} OciHugepageLimit;

typedef struct OciInterfacePriority {
        char *name;
        JsonUnsigned priority;
} OciInterfacePriority;

typedef struct OciNetworkResource {
        JsonUnsigned class_id;
        JSON_LIST(OciInterfacePriority) priorities;
} OciNetworkResource;

typedef struct OciRdma {
        char *name; /* of the device */
        JsonUnsigned handles, objects;
} OciRdma;

typedef struct OciResources {
        JSON_LIST(OciDeviceRule) devices; /* in order */
        OciMemory memory;
        OciCpu cpu;
        OciPids pids;
        OciBlockIo block_io;
        JSON_LIST(OciHugepageLimit) hugepage_limits;
        OciNetworkResource network;
        JSON_LIST(OciRdma) rdma;
        JsonPairs unified; /* file of the control group, value; names have no "/" */
} OciResources;

typedef struct OciIntelRdt {
        char *closid;
        char *l3_cache_schema, *mem_bw_schema;
        char **schemata;
        JsonBool enable_cmt, enable_mbm, enable_monitoring;
} OciIntelRdt;

typedef enum OciSeccompAction {
        OCI_SECCOMP_UNSET,
        OCI_SECCOMP_KILL, /* the thread */
        OCI_SECCOMP_KILL_PROCESS,
        OCI_SECCOMP_KILL_THREAD,
        OCI_SECCOMP_TRAP,
        OCI_SECCOMP_ERRNO,
        OCI_SECCOMP_TRACE,
        OCI_SECCOMP_ALLOW,
        OCI_SECCOMP_LOG,
        OCI_SECCOMP_NOTIFY,
        _OCI_SECCOMP_MAX,
} OciSeccompAction;

typedef enum OciSeccompOperator {
        OCI_SECCOMP_OP_UNSET,
        OCI_SECCOMP_OP_NE,
        OCI_SECCOMP_OP_LT,
        OCI_SECCOMP_OP_LE,
        OCI_SECCOMP_OP_EQ,
        OCI_SECCOMP_OP_GE,
        OCI_SECCOMP_OP_GT,
        OCI_SECCOMP_OP_MASKED_EQ, /* (argument & value) == value_two */
        _OCI_SECCOMP_OP_MAX,
} OciSeccompOperator;

typedef struct OciSeccompArgument {
        JsonUnsigned index;            /* 0 to 5 */
        JsonUnsigned value, value_two; /* unset: 0 */
        int op;                        /* OciSeccompOperator */
} OciSeccompArgument;

typedef struct OciSeccompRule {
        char **names; /* of system calls; at least one */
        int action;   /* OciSeccompAction */
        JsonUnsigned errno_return;
        JSON_LIST(OciSeccompArgument) args; /* all must hold */
} OciSeccompRule;

typedef struct OciSeccomp {
        int default_action; /* OciSeccompAction */
        JsonUnsigned default_errno;
        char **architectures; /* "SCMP_ARCH_…" */
        char **flags;         /* "SECCOMP_FILTER_FLAG_…" */
        char *listener_path, *listener_metadata;
        JSON_LIST(OciSeccompRule) rules;
} OciSeccomp;

typedef enum OciPropagation {
        OCI_PROPAGATION_UNSET,
        OCI_PROPAGATION_SHARED,
        OCI_PROPAGATION_SLAVE,
        OCI_PROPAGATION_PRIVATE,
        OCI_PROPAGATION_UNBINDABLE,
        OCI_PROPAGATION_RSHARED,
        OCI_PROPAGATION_RSLAVE,
        OCI_PROPAGATION_RPRIVATE,
        OCI_PROPAGATION_RUNBINDABLE,
        _OCI_PROPAGATION_MAX,
} OciPropagation;

typedef enum OciPersonalityDomain {
        OCI_PERSONALITY_UNSET,
        OCI_PERSONALITY_LINUX,
        OCI_PERSONALITY_LINUX32,
        _OCI_PERSONALITY_MAX,
} OciPersonalityDomain;

typedef struct OciPersonality {
        int domain;   /* OciPersonalityDomain */
        char **flags; /* none are specified */
} OciPersonality;

typedef struct OciLinux {
        JSON_LIST(OciNamespace) namespaces;
        OciIdMappings uid_mappings, gid_mappings;
        JSON_LIST(OciTimeOffset) time_offsets;
        JSON_LIST(OciDevice) devices;
        char *cgroups_path;
        OciResources *resources;
        OciIntelRdt *intel_rdt;
        JsonPairs sysctl;
        OciSeccomp *seccomp;
        int rootfs_propagation;                /* OciPropagation */
        char **masked_paths, **readonly_paths; /* absolute */
        char *mount_label;
        OciPersonality *personality;
} OciLinux;

typedef struct OciConfig {
        char *version; /* ociVersion, 1.* */
        OciProcess *process;
        OciRoot *root;
        char *hostname, *domainname;
        JSON_LIST(OciMount) mounts;
        OciHooks hooks;
        JsonPairs annotations;
        OciLinux linux_; /* empty if the document has no such part */
} OciConfig;

/** oci_config_parse() - read a config.json
 * Unknown members are passed over, as the specification says.
 * @text:  NUL-terminated, of at most OCI_DOCUMENT_MAX bytes
 * Return: 0; -EINVAL with the path within the document and the cause in @e; -ENOMEM. */
int oci_config_parse(const char *text, OciConfig **ret, Error *e);
/** oci_config_write() - write a config.json that says the same. Return: 0 or -ENOMEM. */
int oci_config_write(const OciConfig *c, Buf *out);
/** oci_config_free() - Return: NULL. */
OciConfig *oci_config_free(OciConfig *c);
DEFINE_CLEANUP(OciConfig *, oci_config_free)

/** oci_process_parse() - read a process alone, as exec is given it. Return: as oci_config_parse(). */
int oci_process_parse(const char *text, OciProcess **ret, Error *e);
/** oci_process_free() - Return: NULL. */
OciProcess *oci_process_free(OciProcess *p);
DEFINE_CLEANUP(OciProcess *, oci_process_free)

/** oci_resources_parse() - read resources alone, as update is given them. Return: as oci_config_parse(). */
int oci_resources_parse(const char *text, OciResources **ret, Error *e);
/** oci_resources_free() - Return: NULL. */
OciResources *oci_resources_free(OciResources *p);
DEFINE_CLEANUP(OciResources *, oci_resources_free)

/** oci_namespace_find() - the namespace of a type; NULL = the container has the host's */
const OciNamespace *oci_namespace_find(const OciConfig *c, OciNamespaceType type);
