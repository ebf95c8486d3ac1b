/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine is to be: pure data, filled from the command line and the settings file, checked once
 * by spec_check(), and const to everything after that. Nothing here is open, locked or running; that
 * is run.h. */
#pragma once

#include <sys/types.h>

#include "base/id128.h"
#include "base/text.h"
#include "image/image-policy.h"
#include "image/root-hash.h"
#include "net/address.h"
#include "net/port.h"
#include "spawn/credential.h"
#include "spawn/id-ranges.h"
#include "spawn/device.h"
#include "spawn/limit.h"
#include "spawn/network-spec.h"
#include "spawn/resource.h"
#include "spawn/seccomp-list.h"

typedef enum StartMode {
        START_COMMAND, /* argv is PID 1; without argv a login shell is */
        START_BOOT,    /* the init of the image is PID 1, argv are its arguments */
        START_AS_PID2, /* our stub is PID 1, argv (or a shell) its child */
        _START_MODE_MAX,
        _START_MODE_INVALID = -EINVAL,
} StartMode;

typedef enum ConsoleMode {
        CONSOLE_AUTO,        /* interactive if stdin and stdout are terminals, else read-only */
        CONSOLE_INTERACTIVE, /* a terminal of its own, both ways */
        CONSOLE_READ_ONLY,   /* a terminal of its own, output only */
        CONSOLE_PASSIVE,     /* a terminal of its own that nobody is connected to */
        CONSOLE_PIPE,        /* our stdio, passed on; no /dev/console */
        CONSOLE_AUTOPIPE,    /* interactive if stdin and stdout are terminals, else pipe */
        _CONSOLE_MODE_MAX,
        _CONSOLE_MODE_INVALID = -EINVAL,
} ConsoleMode;

typedef enum RegisterMode {
        REGISTER_AUTO, /* try, and go on without */
        REGISTER_NO,
        REGISTER_YES, /* a failure is fatal */
        _REGISTER_MODE_MAX,
        _REGISTER_MODE_INVALID = -EINVAL,
} RegisterMode;

typedef enum SettingsMode {
        SETTINGS_YES, /* the command line wins per key; trust by where the file is */
        SETTINGS_NO,
        SETTINGS_OVERRIDE, /* the file wins; trust by where the file is */
        SETTINGS_TRUSTED,  /* the command line wins; the file is trusted wherever it is */
        _SETTINGS_MODE_MAX,
        _SETTINGS_MODE_INVALID = -EINVAL,
} SettingsMode;

typedef enum DumpForm {
        DUMP_NO,
        DUMP_TEXT, /* a settings file */
        DUMP_JSON,
        _DUMP_FORM_MAX,
        _DUMP_FORM_INVALID = -EINVAL,
} DumpForm;

typedef enum PrivateUsers {
        PRIVATE_USERS_NO,
        PRIVATE_USERS_IDENTITY, /* 0 to 65535 onto themselves */
        PRIVATE_USERS_OWNER,    /* range of the owner of the root directory */
        PRIVATE_USERS_PICK,     /* that if it is a good one, else a free range by name */
        PRIVATE_USERS_FIXED,    /* private_users_map */
        _PRIVATE_USERS_MAX,
        _PRIVATE_USERS_INVALID = -EINVAL,
} PrivateUsers;

typedef enum Ownership {
        OWNERSHIP_DEFAULT, /* auto with pick; else off */
        OWNERSHIP_AUTO,    /* nothing if the image is in the range already; else map; else chown */
        OWNERSHIP_OFF,     /* files are as they are */
        OWNERSHIP_MAP, /* idmapped mount: the range that the root directory is in, mostly that of ID 0 */
        OWNERSHIP_FOREIGN, /* idmapped mount: the range of images that are nobody's */
        OWNERSHIP_CHOWN,   /* the files are given to the range, for good */
        _OWNERSHIP_MAX,
        _OWNERSHIP_INVALID = -EINVAL,
} Ownership;

typedef enum ApiVfsWritable {
        API_VFS_READ_ONLY, /* /proc/sys and /sys are read-only (but /proc/sys/net of an own network) */
        API_VFS_WRITABLE, /* both are writable, and /sys is whole: for hosts within a machine */
        API_VFS_NETWORK,  /* /proc/sys/net is writable even with the network of the host */
        _API_VFS_WRITABLE_MAX,
        _API_VFS_WRITABLE_INVALID = -EINVAL,
} ApiVfsWritable;

typedef enum ResolvConf {
        RESOLV_CONF_AUTO, /* the stub's where it listens, else the host's; nothing with a network of its own */
        RESOLV_CONF_OFF,
        RESOLV_CONF_DELETE,
        RESOLV_CONF_COPY_HOST, /* copy: unless there is something other than a file */
        RESOLV_CONF_COPY_STATIC,
        RESOLV_CONF_COPY_UPLINK,
        RESOLV_CONF_COPY_STUB,
        RESOLV_CONF_REPLACE_HOST,
        RESOLV_CONF_REPLACE_STATIC,
        RESOLV_CONF_REPLACE_UPLINK,
        RESOLV_CONF_REPLACE_STUB,
        RESOLV_CONF_BIND_HOST, /* read-only */
        RESOLV_CONF_BIND_STATIC,
        RESOLV_CONF_BIND_UPLINK,
        RESOLV_CONF_BIND_STUB,
        _RESOLV_CONF_MAX,
        _RESOLV_CONF_INVALID = -EINVAL,
} ResolvConf;

typedef enum Timezone {
        TIMEZONE_AUTO, /* as the host has it: a link, a file, or none */
        TIMEZONE_OFF,
        TIMEZONE_COPY,
        TIMEZONE_BIND, /* read-only */
        TIMEZONE_SYMLINK,
        TIMEZONE_DELETE,
        _TIMEZONE_MAX,
        _TIMEZONE_INVALID = -EINVAL,
} Timezone;

typedef enum LinkJournal {
        LINK_JOURNAL_AUTO, /* as it was joined before; else not */
        LINK_JOURNAL_NO,
        LINK_JOURNAL_HOST, /* a folder of the host, bound into the machine */
        LINK_JOURNAL_TRY_HOST,
        LINK_JOURNAL_GUEST, /* a link on the host into the image */
        LINK_JOURNAL_TRY_GUEST,
        _LINK_JOURNAL_MAX,
        _LINK_JOURNAL_INVALID = -EINVAL,
} LinkJournal;

typedef enum EphemeralMode {
        EPHEMERAL_NO,
        EPHEMERAL_MEMORY, /* an overlay whose upper layer is a tmpfs */
        EPHEMERAL_DISK,   /* one whose upper layer is a throw-away directory */
        _EPHEMERAL_MODE_MAX,
        _EPHEMERAL_MODE_INVALID = -EINVAL,
} EphemeralMode;

/* What of an image is used and what is thrown away with each start; nothing is ever written to it. */
typedef enum VolatileMode {
        VOLATILE_NO,
        VOLATILE_YES,     /* only /usr of the image, read-only, in a root in memory */
        VOLATILE_STATE,   /* the image read-only, /var in memory */
        VOLATILE_OVERLAY, /* an overlay in memory on the image */
        _VOLATILE_MODE_MAX,
        _VOLATILE_MODE_INVALID = -EINVAL,
} VolatileMode;

typedef enum CustomMountType {
        CUSTOM_MOUNT_BIND,
        CUSTOM_MOUNT_BIND_READ_ONLY,
        CUSTOM_MOUNT_TMPFS,
        CUSTOM_MOUNT_OVERLAY,
        CUSTOM_MOUNT_OVERLAY_READ_ONLY,
        CUSTOM_MOUNT_INACCESSIBLE,
        _CUSTOM_MOUNT_TYPE_MAX,
        _CUSTOM_MOUNT_TYPE_INVALID = -EINVAL,
} CustomMountType;

typedef enum MountIdmap {
        MOUNT_IDMAP_NO,
        MOUNT_IDMAP_ALL, /* idmap: the whole range, 0 on disk is root inside */
        MOUNT_IDMAP_ROOT, /* rootidmap: root inside is the owner of the source; nobody else is mapped */
        MOUNT_IDMAP_OWNER, /* owneridmap: owner of the source is the owner of the target */
        _MOUNT_IDMAP_MAX,
        _MOUNT_IDMAP_INVALID = -EINVAL,
} MountIdmap;

/* One --bind, --bind-ro, --tmpfs, --overlay, --overlay-ro or --inaccessible. */
typedef struct CustomMount {
        CustomMountType type;
        char *source;     /* bind: absolute on the host; "+/x" = x in the image; "" = a throw-away
                           * directory; of an overlay: its upper layer, NULL = read-only */
        char *target;     /* absolute and clean, in the image */
        bool norecursive; /* bind: "norbind" */
        MountIdmap idmap; /* bind */
        int setuid;       /* bind: 1 "suid", -1 "nosuid", 0 nothing said */
        char *options;    /* tmpfs: as for mount(8), NULL = mode=0755 */
        char **layers;    /* overlay: the lower ones, lowest first, as source but never "" */
} CustomMount;

#define PRIVATE_USERS_RANGE_DEFAULT 0x10000U
#define KILL_SIGNAL_UNSET           (-1) /* SIGRTMIN+3 with boot, else kill at once */

typedef struct Spec {
        SettingsMode settings_mode;
        char **settings_files; /* names of those that were read */
        bool quiet;
        bool dry_run;
        bool cleanup; /* run nothing, remove what is left of the machine */
        char *attach; /* a machine whose console is asked for; NULL = none */
        char *join; /* a machine that runs, or a PID in one: run the command there; NULL = start one */
        DumpForm dump;

        /* image */
        char *directory; /* as given; resolved by spec_resolve() */
        char *image;     /* file or block device, in place of a directory */
        ImagePolicy image_policy;
        RootHash root_hash;   /* none = look for it */
        char *root_hash_sig;  /* path or "base64:…" */
        char *verity_data;    /* path of the hash tree */
        bool no_ask_password; /* ask for no passphrase */
        EphemeralMode ephemeral;
        VolatileMode volatile_mode;
        char *mstack;  /* as given */
        bool is_stack; /* directory is one that a tree is put together of; from spec_resolve() */
        char *template_path; /* what a missing directory is made of; NULL = nothing */
        char *pivot_new;     /* directory of the image that becomes the root; NULL = its own */
        char *pivot_old;     /* where in that the image's own root goes; NULL = nowhere */
        bool read_only;

        /* a bundle of an OCI runtime, which says all of what follows but for names, unit and console */
        char *oci_bundle;      /* absolute; NULL = none */
        struct OciConfig *oci; /* its document */

        /* execution */
        StartMode start;
        char **argv;        /* parameters; NULL = none */
        char **environment; /* NAME=VALUE, added last */
        char *working_directory;
        char *user; /* NULL = root; name or number */
        int kill_signal;
        bool notify_ready;
        bool no_new_privileges;

        /* identity */
        char *machine;  /* host name rules; spec_resolve() makes it from the directory */
        char *hostname; /* NULL = machine */
        Id128 uuid;     /* null = the image's machine-id, else random */

        /* unit */
        char *slice;
        char *scope;          /* its name; NULL = after the machine */
        char *cgroup;         /* below the cgroup2 mount, instead of a scope; NULL = below ours */
        bool no_cgroup;       /* it stays in the group of whoever starts it */
        bool cgroup_optional; /* the same, if we may not make one */
        char **properties;    /* K=V for the scope */
        RegisterMode register_mode;
        bool keep_unit;

        /* users */
        PrivateUsers private_users;
        IdRanges private_users_map;
        IdRanges private_groups_map; /* empty = as those of users */
        bool joined_users;     /* a container's: the namespace is another's, and this is its map */
        char **bind_users;     /* names of users of the host that the machine knows too */
        char *bind_user_shell; /* "yes" = as on the host, a path; NULL = the machine's usual one */
        char **bind_user_groups; /* groups of the machine that they are in */
        Ownership ownership;

        NetworkSpec network;
        AddressList addresses; /* that the machine is given */
        PortList ports;        /* of the host that lead into the machine */

        /* security */
        uint64_t capabilities_add;  /* 1 << CAP_* */
        uint64_t capabilities_drop; /* wins */
        uint64_t capabilities_ambient;
        SeccompList *system_calls; /* allowed and denied besides the default; NULL = none */
        FamilyList families;
        FamilyList
                families_untrusted; /* of a file beside the image: takes more away, gives nothing */
        bool suppress_sync;
        bool share_ipc, share_uts;    /* have the host's instead of an own namespace */
        bool share_pid, share_cgroup; /* a container's: the same */
        char **unmask;                /* paths below /proc that are not covered; "all" = none is */
        bool no_tmpfs_tmp;            /* /tmp is the image's */
        char *container_service;     /* what the payload is told runs it; NULL = as the reference */
        char *selinux_context;       /* of the payload; NULL = as the kernel decides */
        char *selinux_apifs_context; /* of files on the file systems that we make */
        char *apparmor_profile;
        bool no_seccomp; /* no filter of system calls at all */
        ApiVfsWritable api_vfs;

        /* resources */
        Limit limits[LIMITS_MAX];
        int oom_score_adjust; /* OOM_SCORE_ADJUST_UNSET = as ours */
        CpuSet *cpu_affinity; /* NULL = as ours */
        int personality;      /* PERSONALITY_UNSET = what the image asks for */

        DeviceList devices; /* of the host */

        /* mounts, in the order given */
        CustomMount *mounts;
        size_t n_mounts;

        const struct OciHooks *hooks; /* of a bundle that outlives us; NULL = none */
        bool stays;            /* it goes on without us, and somebody else removes what it leaves */
        bool keep_keyring;     /* that of whoever started us */
        unsigned preserve_fds; /* descriptors for it, after those of a service manager */

        /* integration */
        ResolvConf resolv_conf;
        Timezone timezone;
        LinkJournal link_journal;
        char *forward_journal; /* file or folder of the host; NULL = none */
        Credentials credentials;

        ConsoleMode console;
        char *background; /* colour, see pty-tint.h; NULL = none */
} Spec;

/** spec_init() - the defaults, owning nothing */
void spec_init(Spec *s);
/** spec_done() - free what a Spec owns; it is as after spec_init() */
void spec_done(Spec *s);
/** spec_add_mount() - append a mount
 * @m: its strings now belong to the Spec, and are freed on failure
 * Return: 0 or -ENOMEM. */
int spec_add_mount(Spec *s, CustomMount *m);
/** custom_mount_done() - free the strings of a mount */
void custom_mount_done(CustomMount *m);

/** spec_resolve() - (spec-resolve.c) fill in what follows from the rest: machine name from the directory or the
 * directory from the machine name, the random suffix of an ephemeral machine, console and network
 *
 * Runs after the command line and again after the settings file; the name that finds the settings
 * file is the one without the suffix.
 *
 * @found: NULL the first time; then what the first time made, after which nothing more will be set
 * Return: 0 or -errno (no such image, nothing to make a name of). */
int spec_resolve(Spec *s, const Spec *found, Error *e);

/** spec_place() - path of what the machine is made of */
static inline const char *spec_place(const Spec *s) {
        return s->image ? s->image : s->directory;
}
/** spec_has_root_mount() - (spec.c) whether something is mounted over the root itself */
bool spec_has_root_mount(const Spec *s);
/** spec_writes_image() - whether the payload can change the image */
static inline bool spec_writes_image(const Spec *s) {
        return !s->read_only && s->ephemeral == EPHEMERAL_NO && s->volatile_mode == VOLATILE_NO &&
               !spec_has_root_mount(s);
}
/** spec_upper_is_in_memory() - whether there is an upper layer in memory that outlives reboots */
static inline bool spec_upper_is_in_memory(const Spec *s) {
        return s->ephemeral == EPHEMERAL_MEMORY && s->volatile_mode == VOLATILE_NO;
}
/** spec_upper_is_on_disk() - whether there is an upper layer in a throw-away directory */
static inline bool spec_upper_is_on_disk(const Spec *s) {
        return s->ephemeral == EPHEMERAL_DISK && s->volatile_mode == VOLATILE_NO;
}
/** spec_owns_network() - whether the machine may do with its network what it likes */
static inline bool spec_owns_network(const Spec *s) {
        return s->network.private || network_spec_has_links(&s->network);
}
/** spec_has_private_network() - whether the network is not the host's, but its own or one it is lent */
static inline bool spec_has_private_network(const Spec *s) {
        return spec_owns_network(s) || s->network.namespace_path;
}
/** spec_has_own_netns() - whether that is a namespace that we make */
static inline bool spec_has_own_netns(const Spec *s) {
        return spec_owns_network(s) && !s->network.namespace_path;
}
/** spec_has_private_users() - whether the machine gets a user namespace of its own */
static inline bool spec_has_private_users(const Spec *s) {
        return s->private_users != PRIVATE_USERS_NO;
}
/** spec_keeps_devices() - whether device nodes that lie in the image are the host's devices
 * Not for who could not make them either: anybody may have written to a disk image, and what a machine
 * with users of its own opens needs no more than a mode that its image chose. */
static inline bool spec_keeps_devices(const Spec *s) {
        return !s->image && !spec_has_private_users(s);
}
/** spec_has_bound_users() - whether the machine knows users of the host */
static inline bool spec_has_bound_users(const Spec *s) {
        return s->bind_users;
}
/** spec_has_credentials() - whether the machine is handed any */
static inline bool spec_has_credentials(const Spec *s) {
        return s->credentials.n > 0;
}
/** spec_is_machine() - whether it is a machine of ours, and not a container that brings all with it */
static inline bool spec_is_machine(const Spec *s) {
        return !s->oci;
}
/** spec_container_service() - what the payload is told that it runs in */
static inline const char *spec_container_service(const Spec *s) {
        return s->container_service ? s->container_service : "systemd-nspawn";
}
/** spec_has_terminal() - whether the machine gets a /dev/console; console mode is resolved */
static inline bool spec_has_terminal(const Spec *s) {
        return s->console != CONSOLE_PIPE;
}
