/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of the spawner's settings: every option and every key of a .nspawn file is one row. Rows at
 * the end are what the reference has and we do not: they are refused by name, because a setting that
 * is passed over in silence is worse than one that is missing. Untrusted files may set what a payload
 * could do to itself (TRUST_ANY), nothing that reaches the host. */
#include "spawn/spec-settings.h"

#include "spawn/label.h"
#include "spawn/ports.h"
#include "spawn/spec-parse.h"

#define AT(field)    .at = offsetof(SpecCommand, spec.field)
#define FILES(k)     .section = "Files", .key = k
#define EXEC(k)      .section = "Exec", .key = k
#define NETWORK(k)   .section = "Network", .key = k
#define FLAG(name)   .flag = name
#define LETTER(f, l) .flag = f, .letter = l
/* Where --rlimit's field lies, which is one of no key: in its array of limits. */
#define LIMITS_WITHIN offsetof(Limit, hard)
#define LIMIT(name, what)                                                                          \
        { EXEC("Limit" #name), .help = what, .parse = limit_setting, AT(limits[RLIMIT_##name]) }
#define UNSUPPORTED                                                                                \
        .flags = SETTING_HIDDEN | SETTING_LIST, .parse = spec_parse_unsupported,                   \
        .at = offsetof(SpecCommand, nothing), .help = "Not supported yet"
#define WORDS(...)                                                                                 \
        .data = (const char *const[]) {                                                            \
                __VA_ARGS__, NULL                                                                  \
        }

static const Setting rows[] = {
        { LETTER("help", 'h'), .group = "General", .help = "Show this help", .parse = setting_bool,
          .at = offsetof(SpecCommand, help) },
        { FLAG("version"), .help = "Show the version", .parse = setting_bool,
          .at = offsetof(SpecCommand, version) },
        { LETTER("quiet", 'q'), .help = "Say nothing about what is done; only the payload's output",
          .parse = setting_bool, AT(quiet) },
        { FLAG("settings"), .metavar = "MODE", .preset = "yes",
          .complete = "yes no override trusted",
          .help = "Whether the machine's .nspawn file is read (yes, no), wins over the command line"
                  " (override), or is trusted wherever it lies (trusted)",
          .parse = spec_parse_settings_mode, AT(settings_mode) },
        { FLAG("dry-run"), .help = "Print what would be done, and do nothing of it",
          .parse = setting_bool, AT(dry_run) },
        { FLAG("dump-settings"), .metavar = "[FORM]", .complete = "text json", .preset = "no",
          .implied = "text",
          .help = "Print the settings that are in effect, and where each comes from, and do nothing:"
                  " text (a settings file) or json",
          .parse = spec_parse_dump, AT(dump) },
        { FLAG("cleanup"),
          .help = "Start nothing: remove what is left of a machine that was killed, and exit",
          .parse = setting_bool, AT(cleanup) },
        { FLAG("join"), .metavar = "NAME|PID", .complete = "machines",
          .help = "Start no machine: run the command in one that is running, whoever started it, by its"
                  " name or the PID of a process in it",
          .parse = setting_string, AT(join) },
        { FLAG("attach"), .metavar = "NAME", .complete = "machines",
          .help = "Start no machine: be at the console of one that runs; ^] three times goes away again",
          .parse = setting_string, AT(attach) },
        { FLAG("no-pager"), .flags = SETTING_HIDDEN, .help = "Accepted; there is no pager",
          .parse = setting_bool, .at = offsetof(SpecCommand, nothing) },
        { FLAG("no-ask-password"), .help = "Ask for no passphrase of an encrypted image",
          .parse = setting_bool, AT(no_ask_password) },
        { FLAG("system"), .flags = SETTING_HIDDEN, .help = "Accepted; there is no other mode",
          .parse = setting_bool, .at = offsetof(SpecCommand, nothing) },

        { LETTER("directory", 'D'), .group = "Image", .metavar = "PATH", .complete = "directories",
          .help = "Root directory of the machine", .parse = setting_path, AT(directory) },
        { FLAG("oci-bundle"), .metavar = "PATH", .complete = "directories",
          .help = "Run the container that a bundle of an OCI runtime describes",
          .parse = setting_path, AT(oci_bundle) },
        { FLAG("mstack"), .metavar = "PATH", .complete = "directories",
          .help = "Directory whose entries say what the tree is put together of: layer@ID, rw, root,"
                  " bind@PLACE, robind@PLACE",
          .parse = setting_path, AT(mstack) },
        { FLAG("template"), .metavar = "PATH", .complete = "directories",
          .help = "If the machine's directory is missing, make it first: a snapshot or copy of this one",
          .parse = setting_path, AT(template_path) },
        { LETTER("image", 'i'), .metavar = "PATH", .complete = "files",
          .help = "Disk image of the machine: a file or block device with partitions or a bare file"
                  " system",
          .parse = setting_path, AT(image) },
        { FLAG("image-policy"), .metavar = "POLICY", .preset = IMAGE_POLICY_SPAWN,
          .help = "Which partitions of the disk image are used, and how each has to be protected, as in"
                  " systemd.image-policy(7)",
          .parse = spec_parse_image_policy, AT(image_policy) },
        { FLAG("root-hash"), .metavar = "HASH",
          .help = "Root hash of the disk image's verity data, in hexadecimal digits",
          .parse = spec_parse_root_hash, AT(root_hash) },
        { FLAG("root-hash-sig"), .metavar = "SIGNATURE", .complete = "files",
          .help = "Signature of the root hash: a file, or base64: and the data itself",
          .parse = spec_parse_signature, AT(root_hash_sig) },
        { FLAG("verity-data"), .metavar = "PATH", .complete = "files",
          .help = "File with the verity hash tree of an image that is one file system",
          .parse = setting_path, AT(verity_data) },
        { EXEC("Ephemeral"), LETTER("ephemeral", 'x'), .metavar = "[MODE]", .preset = "no",
          .complete = "no memory disk",
          .help = "Run on a throw-away view of the image; changes are kept in memory (the default) or on"
                  " disk, over reboots of the payload, and are gone at the end",
          .parse = spec_parse_ephemeral, AT(ephemeral) },
        { FILES("Volatile"), FLAG("volatile"), .metavar = "[MODE]", .trust = TRUST_ANY,
          .preset = "no", .complete = "no yes state overlay",
          .help = "Never write to the image, and forget everything with each start: yes (only /usr of the"
                  " image, read-only), state (the image read-only, /var empty), overlay (all of it), no",
          .parse = spec_parse_volatile, AT(volatile_mode) },
        { EXEC("PivotRoot"), FLAG("pivot-root"), .metavar = "NEW[:OLD]", .trust = TRUST_ANY,
          .help = "Make the directory NEW of the image the root; the image's own root is then seen at OLD",
          .parse = spec_parse_pivot_root, AT(pivot_new) },
        { FILES("ReadOnly"), FLAG("read-only"), .trust = TRUST_ANY,
          .help = "Mount the image read-only", .parse = setting_bool, AT(read_only) },

        { EXEC("ProcessTwo"), LETTER("as-pid2", 'a'), .group = "Execution", .trust = TRUST_ANY,
          .help = "Run the command under a small init of our own", .parse = spec_parse_as_pid2,
          AT(start) },
        { EXEC("Boot"), LETTER("boot", 'b'), .trust = TRUST_ANY,
          .help = "Run the image's own init as PID 1", .parse = spec_parse_boot, AT(start) },
        { EXEC("Parameters"), .trust = TRUST_ANY,
          .help = "Command and arguments, or arguments of the init, where the command line has none",
          .parse = setting_words, AT(argv) },
        { EXEC("WorkingDirectory"), FLAG("chdir"), .metavar = "PATH", .trust = TRUST_ANY,
          .help = "Working directory of the command, inside the machine",
          .parse = setting_inner_path, AT(working_directory) },
        { LETTER("setenv", 'E'), .metavar = "NAME[=VALUE]", .flags = SETTING_LIST,
          .help = "Set an environment variable of the payload; without a value, pass ours on",
          .parse = spec_parse_setenv, AT(environment) },
        { EXEC("Environment"), .trust = TRUST_ANY, .flags = SETTING_LIST,
          .help = "Environment variables of the payload, NAME=VALUE separated by spaces",
          .parse = spec_parse_environment, AT(environment) },
        { EXEC("User"), LETTER("uid", 'u'), .metavar = "USER", .trust = TRUST_ANY,
          .help = "Run the command as this user of the image, by name or number",
          .parse = spec_parse_user, AT(user) },
        { FLAG("user"), .metavar = "USER", .flags = SETTING_HIDDEN, .help = "An old word for --uid",
          .parse = spec_parse_old_user, AT(user) },
        { EXEC("KillSignal"), FLAG("kill-signal"), .metavar = "SIGNAL", .trust = TRUST_ANY,
          .help = "Signal that asks PID 1 to shut down (with --boot: SIGRTMIN+3)",
          .parse = setting_signal, AT(kill_signal) },
        { EXEC("NotifyReady"), FLAG("notify-ready"), .metavar = "BOOL", .trust = TRUST_ANY,
          .complete = "yes no", .help = "Wait for the payload to say that it is ready",
          .parse = setting_bool, AT(notify_ready) },

        { LETTER("machine", 'M'), .group = "Identity", .metavar = "NAME", .complete = "images",
          .help = "Name of the machine, and of its image where no directory is given",
          .parse = spec_parse_hostname, AT(machine) },
        { EXEC("Hostname"), FLAG("hostname"), .metavar = "NAME", .trust = TRUST_ANY,
          .help = "Host name the payload sees (default: the machine's name)",
          .parse = spec_parse_hostname, AT(hostname) },
        { EXEC("MachineID"), FLAG("uuid"), .metavar = "ID",
          .help = "Machine ID for an image that has none of its own", .parse = spec_parse_uuid,
          AT(uuid) },

        { LETTER("slice", 'S'), .group = "Unit", .metavar = "SLICE",
          .help = "Slice that the machine's scope is put in (default: machine.slice)",
          .parse = spec_parse_slice, AT(slice) },
        { FLAG("property"), .metavar = "NAME=VALUE", .flags = SETTING_LIST,
          .help = "Set a property of the machine's scope, as with systemctl set-property",
          .parse = spec_parse_property, AT(properties) },
        { FLAG("register"), .metavar = "MODE", .preset = "auto", .complete = "yes no auto",
          .help = "Register with the machine manager: yes, no, or auto (if it is there)",
          .parse = spec_parse_register, AT(register_mode) },
        { FLAG("keep-unit"), .help = "Make no scope; stay in the unit that we were started in",
          .parse = setting_bool, AT(keep_unit) },

        { EXEC("PrivateUsers"), FLAG("private-users"), .group = "User namespace",
          .metavar = "[MODE]", .preset = "no", .complete = "no yes pick identity",
          .help = "User namespace: no, yes (range of the owner of the root), pick (a free range),"
                  " identity, BASE[:COUNT], or INSIDE:OUTSIDE:COUNT[,…]",
          .parse = spec_parse_private_users, AT(private_users) },
        { .letter = 'U',
          .implied = "pick",
          .help = "The same as --private-users=pick",
          .parse = spec_parse_private_users,
          AT(private_users) },
        { FILES("PrivateUsersOwnership"), FLAG("private-users-ownership"), .metavar = "MODE",
          .complete = "auto off map foreign chown",
          .help = "How owners of files are shifted into the range: off, map (by the mount), foreign"
                  " (the same, from the range of nobody's images), chown (on the disk), or auto",
          .parse = spec_parse_ownership, AT(ownership) },
        { FILES("PrivateUsersChown"), FLAG("private-users-chown"),
          .help = "An old word for --private-users-ownership=chown",
          .parse = spec_parse_ownership_chown, AT(ownership) },
        { FILES("BindUser"), FLAG("bind-user"), .metavar = "NAME", .flags = SETTING_LIST,
          .help = "Let the machine know a user of the host, with the home in /run/host/home",
          .parse = spec_parse_bind_user, AT(bind_users) },
        { FILES("BindUserShell"), FLAG("bind-user-shell"), .metavar = "SHELL", .complete = "yes no",
          .help = "Shell of such users: no (the machine's usual one), yes (as on the host), or a path",
          .parse = spec_parse_bind_user_shell, AT(bind_user_shell) },
        { FLAG("bind-user-group"), .metavar = "GROUP", .flags = SETTING_LIST,
          .help = "Group of the machine that such users are in", .parse = spec_parse_bind_user,
          AT(bind_user_groups) },
        { EXEC("PrivateUsersDelegate"), FLAG("private-users-delegate"), .metavar = "N",
          .flags = SETTING_HIDDEN, .help = "Only 0, for there are no managed ranges",
          .parse = spec_parse_delegate, .at = offsetof(SpecCommand, nothing) },

        { NETWORK("Private"), FLAG("private-network"), .group = "Network",
          .help = "A network of its own, with nothing in it but loopback", .parse = setting_bool,
          AT(network.private) },
        { NETWORK("VirtualEthernet"), LETTER("network-veth", 'n'),
          .help = "A virtual Ethernet link to the host: ve-NAME there, host0 inside",
          .parse = setting_bool, AT(network.veth) },
        { NETWORK("VirtualEthernetExtra"), FLAG("network-veth-extra"), .metavar = "HOST[:INSIDE]",
          .flags = SETTING_LIST,
          .help = "A further such link, called HOST there and INSIDE (default: the same) inside",
          .parse = spec_parse_network_extra, AT(network.veth_extra) },
        { NETWORK("Bridge"), FLAG("network-bridge"), .metavar = "NAME",
          .help = "As --network-veth, with the host's end (vb-NAME) a port of this bridge",
          .parse = spec_parse_network_bridge, AT(network.bridge) },
        { NETWORK("Zone"), FLAG("network-zone"), .metavar = "NAME",
          .help = "As --network-bridge, with a bridge vz-NAME that is there while any machine is in"
                  " the zone",
          .parse = spec_parse_network_zone, AT(network.zone) },
        { NETWORK("Interface"), FLAG("network-interface"), .metavar = "HOST[:INSIDE]",
          .flags = SETTING_LIST,
          .help = "Lend the machine an interface of the host, called INSIDE (default: as before) inside",
          .parse = spec_parse_network_links, AT(network.interfaces) },
        { NETWORK("NamespacePath"), FLAG("network-namespace-path"), .metavar = "PATH",
          .complete = "files",
          .help = "Be in this network namespace, such as ip-netns(8) makes; with --private-network,"
                  " as who may change it",
          .parse = setting_path, AT(network.namespace_path) },
        { FLAG("network-mac"), .metavar = "MAC",
          .help = "MAC address of host0 (default: made of the names of host and machine); also"
                  " $SYSTEMD_NSPAWN_NETWORK_MAC",
          .parse = spec_parse_network_mac, AT(network.mac) },
        { NETWORK("MACVLAN"), FLAG("network-macvlan"), .metavar = "HOST[:INSIDE]",
          .flags = SETTING_LIST,
          .help = "An interface with a MAC address of its own on the network that HOST is on, called"
                  " INSIDE (default: mv-HOST)",
          .parse = spec_parse_network_links, AT(network.macvlan) },
        { NETWORK("IPVLAN"), FLAG("network-ipvlan"), .metavar = "HOST[:INSIDE]",
          .flags = SETTING_LIST,
          .help = "The same with the MAC address of HOST, called INSIDE (default: iv-HOST)",
          .parse = spec_parse_network_links, AT(network.ipvlan) },
        { NETWORK("Address"), FLAG("network-address"),
          .metavar = "auto|ADDRESS/LENGTH[,GATEWAY][,DNS]", .flags = SETTING_LIST,
          .complete = "auto auto4 auto6",
          .help = "Give the machine's link an address before the payload starts, with a route, name"
                  " servers and translation to the host's",
          .parse = spec_parse_network_address, AT(addresses) },

        { NETWORK("Port"), LETTER("port", 'p'), .metavar = "PORT[:INSIDE]", .flags = SETTING_LIST,
          .help = "Have a port of the host lead into the machine, or several, such as 8000-8010:80-90. Before it"
                  " may stand tcp:, udp: or sctp:, and the address of the host that it is at, as in"
                  " 127.0.0.1:8080:80 and [::1]:8080:80 (default: all)",
          .parse = port_setting, AT(ports) },

        { EXEC("Capability"), FLAG("capability"), .group = "Security", .metavar = "LIST",
          .flags = SETTING_LIST, .help = "Capabilities to keep besides the usual ones, or 'all'",
          .parse = spec_parse_capabilities, AT(capabilities_add) },
        { EXEC("DropCapability"), FLAG("drop-capability"), .metavar = "LIST", .trust = TRUST_ANY,
          .flags = SETTING_LIST, .help = "Capabilities to take away, or 'all'",
          .parse = spec_parse_capabilities, AT(capabilities_drop) },
        { EXEC("AmbientCapability"), FLAG("ambient-capability"), .metavar = "LIST",
          .flags = SETTING_LIST,
          .help = "Capabilities that the command keeps when it is not run as root",
          .parse = spec_parse_ambient, AT(capabilities_ambient) },
        { EXEC("NoNewPrivileges"), FLAG("no-new-privileges"), .metavar = "BOOL", .trust = TRUST_ANY,
          .complete = "yes no",
          .help = "Let no program of the payload gain privileges when it is executed",
          .parse = setting_bool, AT(no_new_privileges) },
        { EXEC("SystemCallFilter"), FLAG("system-call-filter"), .metavar = "LIST",
          .trust = TRUST_ANY, .harmless = seccomp_list_only_denies, .flags = SETTING_LIST,
          .help = "System calls to allow or, after '~', to deny besides the usual ones, by name or by"
                  " set like @mount; what is denied once stays so",
          .parse = spec_parse_system_calls, AT(system_calls) },
        { EXEC("RestrictAddressFamilies"), FLAG("restrict-address-families"), .metavar = "LIST",
          .trust = TRUST_ANY, .flags = SETTING_LIST,
          .help = "Address families that sockets may be of, such as AF_UNIX or, after '~', may not;"
                  " 'none' for no sockets at all",
          .parse = spec_parse_families, AT(families) },
        { EXEC("SuppressSync"), FLAG("suppress-sync"), .metavar = "BOOL", .trust = TRUST_ANY,
          .complete = "yes no",
          .help = "Let calls that wait for the disk, such as fsync(2), succeed at once; for images"
                  " that are thrown away. Also $SYSTEMD_SUPPRESS_SYNC",
          .parse = setting_bool, AT(suppress_sync) },
        { FLAG("seccomp"), .metavar = "BOOL", .preset = "yes", .complete = "yes no",
          .help = "Whether system calls are filtered at all; also $SYSTEMD_SECCOMP. Without the filter"
                  " a payload reaches all of the kernel",
          .parse = spec_parse_bool_not, AT(no_seccomp) },
        { LETTER("selinux-context", 'Z'), .metavar = "CONTEXT",
          .help = "SELinux context that the payload is executed in", .parse = label_setting_context,
          AT(selinux_context) },
        { LETTER("selinux-apifs-context", 'L'), .metavar = "CONTEXT",
          .help = "SELinux context of the files on a machine's tmpfs and devpts",
          .parse = label_setting_context, AT(selinux_apifs_context) },
        { EXEC("AppArmorProfile"), FLAG("apparmor-profile"), .metavar = "NAME",
          .help = "AppArmor profile that the payload is executed under, which the kernel has loaded",
          .parse = label_setting_profile, AT(apparmor_profile) },
        { FILES("Unmask"), FLAG("unmask"), .metavar = "PATH", .flags = SETTING_LIST,
          .help = "Leave a file or folder of /proc as it is that would be hidden or read-only, or, with"
                  " 'all', every one: weaker, but machines inside can then mount a /proc of their own",
          .parse = spec_parse_unmask, AT(unmask) },
        { FLAG("share-namespaces"), .metavar = "NAME", .complete = "ipc uts", .flags = SETTING_LIST,
          .help = "Leave the payload the host's message queues and shared memory (ipc) or host name"
                  " (uts); also $SYSTEMD_NSPAWN_SHARE_NS_IPC and _UTS",
          .parse = spec_parse_share, AT(share_ipc) },
        { FLAG("container-service"), .metavar = "NAME",
          .help = "What the payload is told that it runs in (default: systemd-nspawn); also"
                  " $SYSTEMD_NSPAWN_CONTAINER_SERVICE",
          .parse = spec_parse_container_service, AT(container_service) },
        { FLAG("api-vfs-writable"), .metavar = "MODE", .preset = "no", .complete = "yes no network",
          .help = "Whether /proc/sys and /sys are writable: yes, no, or network (only the network's"
                  " part); also $SYSTEMD_NSPAWN_API_VFS_WRITABLE",
          .parse = spec_parse_api_vfs, AT(api_vfs) },

        { FLAG("rlimit"), .group = "Resources", .metavar = "NAME=SOFT[:HARD]",
          .flags = SETTING_LIST,
          .help = "Set a resource limit of the payload, such as NOFILE=1024:4096; without HARD both"
                  " are SOFT, \"infinity\" is none",
          .parse = limit_setting_named, AT(limits[0].hard), .data = (const void *) LIMITS_WITHIN },
        LIMIT(CPU, "Processor time"),
        LIMIT(FSIZE, "Size of files written"),
        LIMIT(DATA, "Size of the data segment"),
        LIMIT(STACK, "Size of the stack"),
        LIMIT(CORE, "Size of core files"),
        LIMIT(RSS, "Resident memory; the kernel takes no notice"),
        LIMIT(NOFILE, "Number of open files"),
        LIMIT(AS, "Address space"),
        LIMIT(NPROC, "Number of processes of the user"),
        LIMIT(MEMLOCK, "Locked memory"),
        LIMIT(LOCKS, "Number of file locks; the kernel takes no notice"),
        LIMIT(SIGPENDING, "Number of queued signals"),
        LIMIT(MSGQUEUE, "Size of message queues"),
        LIMIT(NICE, "Highest nice level, with its sign, or the limit as a number up to 40"),
        LIMIT(RTPRIO, "Highest real-time priority"),
        LIMIT(RTTIME, "Processor time of real-time processes without a pause, in µs"),
        { EXEC("OOMScoreAdjust"), FLAG("oom-score-adjust"), .metavar = "N",
          .help = "How soon the payload is killed when memory runs out: -1000 (never) to 1000",
          .parse = resource_setting_oom, AT(oom_score_adjust) },
        { EXEC("CPUAffinity"), FLAG("cpu-affinity"), .metavar = "LIST",
          .help = "CPUs that the payload may run on, such as 0-3,8", .parse = resource_setting_cpus,
          AT(cpu_affinity) },
        { EXEC("Personality"), FLAG("personality"), .metavar = "ARCHITECTURE", .trust = TRUST_ANY,
          .complete = "x86-64 x86",
          .help = "Architecture that uname(2) tells the payload (default: that of the image's init"
                  " or shell)",
          .parse = resource_setting_personality, AT(personality) },

        { FILES("Device"), FLAG("device"), .group = "Devices", .metavar = "PATH[:TARGET][:ACCESS]",
          .flags = SETTING_LIST, .complete = "files",
          .help = "Give the machine a device of the host, a folder of them, or those that fit a pattern:"
                  " a node, its owner, and leave by the device policy. ACCESS is out of r, w and m"
                  " (default: rwm)",
          .parse = device_setting, AT(devices) },

        { FILES("Bind"), FLAG("bind"), .group = "Mounts", .metavar = "SOURCE[:TARGET[:OPTIONS]]",
          .flags = SETTING_LIST, .complete = "files",
          .help = "Show a file or directory of the host inside; a source that begins with '+' is"
                  " one of the image, an empty one a throw-away directory. Options: rbind, norbind, idmap, rootidmap, owneridmap, noidmap",
          .parse = spec_parse_bind, AT(mounts) },
        { FILES("BindReadOnly"), FLAG("bind-ro"), .metavar = "SOURCE[:TARGET[:OPTIONS]]",
          .flags = SETTING_LIST, .complete = "files", .help = "The same, read-only",
          .parse = spec_parse_bind_ro, AT(mounts) },
        { FLAG("tmpfs-tmp"), .metavar = "BOOL", .preset = "yes", .complete = "yes no",
          .help = "Whether /tmp is an empty tmpfs and not the image's; also $SYSTEMD_NSPAWN_TMPFS_TMP",
          .parse = spec_parse_bool_not, AT(no_tmpfs_tmp) },
        { FILES("TemporaryFileSystem"), FLAG("tmpfs"), .metavar = "PATH[:OPTIONS]",
          .flags = SETTING_LIST, .help = "Mount an empty tmpfs inside", .parse = spec_parse_tmpfs,
          AT(mounts) },
        { FILES("Overlay"), FLAG("overlay"), .metavar = "LOWER:[LOWER:…]UPPER[:TARGET]",
          .flags = SETTING_LIST, .complete = "files",
          .help = "Show directories stacked on one another, lowest first; what the payload writes goes"
                  " to the upper one (empty: a throw-away directory); a '+' before a path as in --bind",
          .parse = spec_parse_overlay, AT(mounts) },
        { FILES("OverlayReadOnly"), FLAG("overlay-ro"), .metavar = "LOWER:[LOWER:…]UPPER[:TARGET]",
          .flags = SETTING_LIST, .complete = "files", .help = "The same, read-only",
          .parse = spec_parse_overlay_ro, AT(mounts) },
        { FILES("Inaccessible"), FLAG("inaccessible"), .metavar = "PATH", .flags = SETTING_LIST,
          .help = "Hide a file or directory of the image behind one that nobody may use",
          .parse = spec_parse_inaccessible, AT(mounts) },

        { EXEC("ResolvConf"), FLAG("resolv-conf"), .group = "Integration", .metavar = "MODE",
          .preset = "auto", .trust = TRUST_ANY,
          .complete = "auto off delete copy-host copy-static copy-uplink copy-stub replace-host"
                      " replace-static replace-uplink replace-stub bind-host bind-static"
                      " bind-uplink bind-stub",
          .help = "What the image's /etc/resolv.conf becomes: a copy of the host's (host), of one of"
                  " systemd-resolved's (static, uplink, stub), a read-only view of it (bind-…); auto:"
                  " whichever fits",
          .parse = spec_parse_resolv_conf, AT(resolv_conf) },
        { EXEC("Timezone"), FLAG("timezone"), .metavar = "MODE", .trust = TRUST_ANY,
          .preset = "auto", .complete = "auto off copy bind symlink delete",
          .help = "How the image's /etc/localtime follows the host's; auto: whichever fits",
          .parse = spec_parse_timezone, AT(timezone) },
        { EXEC("LinkJournal"), FLAG("link-journal"), .metavar = "MODE", .preset = "auto",
          .complete = "auto no host try-host guest try-guest",
          .help = "Show the machine's journal beside the host's: by a link into the image (guest), by"
                  " a folder of the host that the machine writes to (host), or whichever there is"
                  " already (auto); try-…: if it can be had",
          .parse = spec_parse_link_journal, AT(link_journal) },
        { .letter = 'j',
          .implied = "try-guest",
          .help = "The same as --link-journal=try-guest",
          .parse = spec_parse_link_journal,
          AT(link_journal) },
        { FLAG("forward-journal"), .metavar = "PATH", .complete = "files",
          .help = "Have systemd-journal-remote write what the machine logs, as it does: to a file, if the"
                  " name ends in .journal, else to a folder",
          .parse = setting_path, AT(forward_journal) },

        { FLAG("console"), .group = "Input and output", .metavar = "MODE", .preset = "auto",
          .complete = "interactive read-only passive pipe autopipe",
          .help = "Where the payload's console goes: interactive, read-only, passive (nowhere), pipe"
                  " (our own stdio, no terminal), or autopipe",
          .parse = spec_parse_console, AT(console) },
        { FLAG("background"), .metavar = "COLOR",
          .help = "Background colour of an interactive console, in the numbers that terminals have for"
                  " it: 44, 48;5;17, 48;2;0;0;95; empty: none, the default",
          .parse = spec_parse_background, AT(background) },
        { FLAG("load-credential"), .metavar = "ID:PATH", .flags = SETTING_LIST,
          .help = "Hand in a credential: a file, what a service says at a socket, or one that we were"
                  " given ourselves, by its name",
          .parse = credential_setting_load, AT(credentials) },
        { FLAG("set-credential"), .metavar = "ID:VALUE", .flags = SETTING_LIST,
          .help = "Hand in a credential with this value, in which C's escapes are read",
          .parse = credential_setting_set, AT(credentials) },
        { FLAG("pty"), .implied = "interactive", .help = "The same as --console=interactive",
          .parse = spec_parse_console, AT(console) },
        { LETTER("pipe", 'P'), .implied = "pipe", .help = "The same as --console=pipe",
          .parse = spec_parse_console, AT(console) },

        /* What the reference has and we refuse. */
        { FLAG("share-system"), UNSUPPORTED },
        { FLAG("forward-journal-max-use"), .metavar = "BYTES", UNSUPPORTED },
        { FLAG("forward-journal-keep-free"), .metavar = "BYTES", UNSUPPORTED },
        { FLAG("forward-journal-max-file-size"), .metavar = "BYTES", UNSUPPORTED },
        { FLAG("forward-journal-max-files"), .metavar = "N", UNSUPPORTED },
};

const Setting *spec_settings(size_t *ret_n) {
        *ret_n = ELEMENTSOF(rows);
        return rows;
}

const HelpPage *spec_help(void) {
        static const char *const usage[] = { "[OPTION…] [COMMAND [ARGUMENT…]]",
                                             "[OPTION…] --boot [ARGUMENT…]", NULL };
        static const HelpPage page = {
                .program = "skep-spawn",
                .usage = usage,
                .about =
                        "Run a command, or boot a system, in a directory tree as a machine of its own.",
                .manual = "skep-spawn(1)",
                .settings = rows,
                .n_settings = ELEMENTSOF(rows),
        };

        return &page;
}
