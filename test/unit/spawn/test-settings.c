/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of settings: what a command line and a file make of a Spec, and what is refused. Finding the
 * file on the disk is in test/root. */
#include <ctype.h>
#include <unistd.h>

#include "base/parse.h"
#include "check.h"
#include "spawn/spec-settings.h"

#define FILE_NAME "m.nspawn"

typedef struct Bed {
        Settings settings;
        SpecCommand command;
        char **rest;
        Error error;
} Bed;

static void bed_done(Bed *b) {
        settings_done(&b->settings);
        spec_done(&b->command.spec);
        b->rest = strv_free(b->rest);
}

/* Reads a command line (words split at spaces) and a file's text, either may be NULL. */
static int read_both(Bed *b, const char *line, const char *file, bool trusted, bool file_wins) {
        _cleanup_strv_ char **argv = NULL;
        size_t n;
        const Setting *rows = spec_settings(&n);
        char *none[] = { NULL };
        int r;

        *b = (Bed){};
        settings_init(&b->settings, rows, n);
        spec_init(&b->command.spec);
        assert_int_equal(str_split(strempty(line), " ", &argv), 0);
        r = settings_from_argv(&b->settings, argv ? argv : none, 2, settings_stop_at_first,
                               &b->rest, &b->error);
        if (r >= 0 && file)
                r = settings_from_text(&b->settings, FILE_NAME, file, strlen(file), trusted,
                                       file_wins ? 3 : 1, &b->error);
        if (r >= 0)
                r = settings_apply(&b->settings, &b->command, &b->error);
        if (r >= 0)
                r = spec_check(&b->command.spec, &b->settings, &b->error);
        return r;
}

static void test_table(void **state) {
        size_t n;
        const Setting *rows = spec_settings(&n);

        assert_non_null(rows[0].group);
        for (size_t i = 0; i < n; i++) {
                const Setting *a = rows + i;
                const char *name = a->flag ? a->flag : a->key ? a->key : "(letter)";

                if (!a->help || !*a->help || str_has_suffix(a->help, ".") || !a->parse)
                        fail_msg("row %zu %s has no help or no parser", i, name);
                if (!a->flag && !a->key && !a->letter)
                        fail_msg("row %zu has no name", i);
                if (!a->section != !a->key)
                        fail_msg("row %zu %s is half a key", i, name);
                if ((a->flags & SETTING_HIDDEN) && a->group)
                        fail_msg("row %zu %s hides its group", i, name);
                for (size_t j = 0; j < i; j++) {
                        const Setting *b = rows + j;
                        if ((a->flag && streq_ptr(a->flag, b->flag)) ||
                            (a->letter && a->letter == b->letter) ||
                            (a->key && streq_ptr(a->key, b->key) && streq(a->section, b->section)))
                                fail_msg("rows %zu and %zu are both %s", i, j, name);
                }
        }
}

static void test_flags(void **state) {
        Bed b;

        assert_int_equal(read_both(&b,
                                   "-q -D /srv/tree -M web -x --read-only -b --hostname=w.example"
                                   " --uuid=11111111222233334444555555555555 -S small --register=no"
                                   " --setenv=A=1 -E B=2 --kill-signal=TERM --notify-ready=yes -n"
                                   " --property=MemoryMax=1G --capability=sys_time,CAP_BPF"
                                   " --drop-capability=mknod --console=pipe -U arg -x",
                                   NULL, false, false),
                         0);
        const Spec *s = &b.command.spec;
        assert_true(s->quiet && s->ephemeral && s->read_only && s->notify_ready && s->network.veth);
        assert_string_equal(s->directory, "/srv/tree");
        assert_string_equal(s->machine, "web");
        assert_string_equal(s->hostname, "w.example");
        assert_string_equal(s->slice, "small.slice");
        assert_int_equal(s->start, START_BOOT);
        assert_int_equal(s->register_mode, REGISTER_NO);
        assert_int_equal(s->kill_signal, 15);
        assert_int_equal(s->console, CONSOLE_PIPE);
        assert_int_equal(s->private_users, PRIVATE_USERS_PICK);
        assert_true(s->capabilities_add == (1ULL << 25 | 1ULL << 39));
        assert_true(s->capabilities_drop == 1ULL << 27);
        assert_int_equal(strv_length(s->environment), 2);
        assert_string_equal(s->properties[0], "MemoryMax=1G");
        assert_int_equal(s->uuid.bytes[0], 0x11);
        assert_int_equal(strv_length(b.rest), 2);
        assert_string_equal(b.rest[1], "-x");
        bed_done(&b);
}

static void test_private_users(void **state) {
        static const struct {
                const char *line;
                int mode;
                const char *map;
        } rows[] = {
                { "--private-users=no", PRIVATE_USERS_NO, "" },
                { "--private-users", PRIVATE_USERS_OWNER, "" },
                { "--private-users=pick", PRIVATE_USERS_PICK, "" },
                { "--private-users=identity", PRIVATE_USERS_IDENTITY, "" },
                { "--private-users=0", PRIVATE_USERS_FIXED, "0 0 65536\n" },
                { "--private-users=1", PRIVATE_USERS_FIXED, "0 1 65536\n" },
                { "--private-users=524288:1000", PRIVATE_USERS_FIXED, "0 524288 1000\n" },
                { "--private-users=0:100000:65536,65536:500000:1000", PRIVATE_USERS_FIXED,
                  "0 100000 65536\n65536 500000 1000\n" },
                { "--private-users=0:7:1", PRIVATE_USERS_FIXED, "0 7 1\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Bed b;

                CHECK_EQ(read_both(&b, rows[i].line, NULL, false, false), 0, "row %zu", i);
                CHECK_EQ(b.command.spec.private_users, rows[i].mode, "row %zu", i);
                _cleanup_(buf_done) Buf map = {};
                assert_se(id_ranges_format(&b.command.spec.private_users_map, &map) >= 0);
                CHECK_STR(strempty(map.p), rows[i].map, "row %zu", i);
                bed_done(&b);
        }
}

static void test_mounts(void **state) {
        static const struct {
                const char *value;
                const char *source, *target;
                bool norecursive;
                int idmap;
        } rows[] = {
                { "--bind=/a", "/a", "/a", false, MOUNT_IDMAP_NO },
                { "--bind=/a:/b", "/a", "/b", false, MOUNT_IDMAP_NO },
                { "--bind=/a//b/:/c/:norbind,idmap", "/a/b", "/c", true, MOUNT_IDMAP_ALL },
                { "--bind=+/a:/b:rootidmap", "+/a", "/b", false, MOUNT_IDMAP_ROOT },
                { "--bind=+/a", "+/a", "/a", false, MOUNT_IDMAP_NO },
                { "--bind=/a\\:b:/c", "/a:b", "/c", false, MOUNT_IDMAP_NO },
                { "--bind=/a::owneridmap", "/a", "/a", false, MOUNT_IDMAP_OWNER },
                { "--bind=:/b", "", "/b", false, MOUNT_IDMAP_NO },
        };
        Bed b;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_EQ(read_both(&b, rows[i].value, NULL, false, false), 0, "row %zu", i);
                const CustomMount *m = b.command.spec.mounts;
                CHECK_EQ(b.command.spec.n_mounts, 1, "row %zu", i);
                CHECK_STR(m->source, rows[i].source, "row %zu", i);
                CHECK_STR(m->target, rows[i].target, "row %zu", i);
                CHECK_EQ(m->norecursive, rows[i].norecursive, "row %zu", i);
                CHECK_EQ(m->idmap, rows[i].idmap, "row %zu", i);
                bed_done(&b);
        }

        /* File and command line add up, in that order. */
        assert_int_equal(read_both(&b, "--tmpfs=/t:size=1M --bind-ro=/c", "[Files]\nBind=/a\n",
                                   true, false),
                         0);
        assert_int_equal(b.command.spec.n_mounts, 3);
        assert_int_equal(b.command.spec.mounts[0].type, CUSTOM_MOUNT_BIND);
        assert_int_equal(b.command.spec.mounts[1].type, CUSTOM_MOUNT_TMPFS);
        assert_string_equal(b.command.spec.mounts[1].options, "size=1M");
        assert_int_equal(b.command.spec.mounts[2].type, CUSTOM_MOUNT_BIND_READ_ONLY);
        bed_done(&b);
}

static void test_overlays(void **state) {
        static const struct {
                const char *value, *layers, *upper, *target; /* layers joined by '|' */
                CustomMountType type;
        } rows[] = {
                { "--overlay=/a:/b", "/a", "/b", "/b", CUSTOM_MOUNT_OVERLAY },
                { "--overlay=/a:+/b", "/a", "+/b", "/b", CUSTOM_MOUNT_OVERLAY },
                { "--overlay=/a:/b:/c", "/a", "/b", "/c", CUSTOM_MOUNT_OVERLAY },
                { "--overlay=/a/:+/b:/c::/d/", "/a|+/b|/c", "", "/d", CUSTOM_MOUNT_OVERLAY },
                { "--overlay=/a\\:b:/c,d:/e", "/a:b", "/c,d", "/e", CUSTOM_MOUNT_OVERLAY },
                { "--overlay-ro=/a:/b", "/a|/b", NULL, "/b", CUSTOM_MOUNT_OVERLAY_READ_ONLY },
                { "--overlay-ro=/a:+/b:/c", "/a|+/b", NULL, "/c", CUSTOM_MOUNT_OVERLAY_READ_ONLY },
        };
        static const char *const bad[] = {
                "--overlay=/a",         "--overlay=/a:",        "--overlay=:/a:/b",
                "--overlay=/a:b:c",     "--overlay=+a:/b",      "--overlay=/a\\",
                "--overlay=/a:b:/../c", "--overlay-ro=/a::/c",  "--inaccessible=a",
                "--inaccessible=/",     "--overlay=/a::/sys/x",
        };
        Bed b;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_EQ(read_both(&b, rows[i].value, NULL, false, false), 0, "row %zu: %s", i,
                         b.error.text);
                const CustomMount *m = b.command.spec.mounts;
                _cleanup_free_ char *layers = strv_join(m->layers, "|");
                CHECK_EQ(b.command.spec.n_mounts, 1, "row %zu", i);
                CHECK_EQ(m->type, rows[i].type, "row %zu", i);
                CHECK_STR(layers, rows[i].layers, "row %zu", i);
                CHECK_STR(m->target, rows[i].target, "row %zu", i);
                if (rows[i].upper)
                        CHECK_STR(m->source, rows[i].upper, "row %zu", i);
                else
                        assert_null(m->source);
                bed_done(&b);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                CHECK_EQ(read_both(&b, bad[i], NULL, false, false), -EINVAL, "row %zu", i);
                bed_done(&b);
        }
}

static void test_views(void **state) {
        static const struct {
                const char *line;
                EphemeralMode ephemeral;
                VolatileMode mode;
                const char *pivot_new, *pivot_old;
        } rows[] = {
                { "-x", EPHEMERAL_MEMORY, VOLATILE_NO, NULL, NULL },
                { "--ephemeral", EPHEMERAL_MEMORY, VOLATILE_NO, NULL, NULL },
                { "--ephemeral=yes", EPHEMERAL_MEMORY, VOLATILE_NO, NULL, NULL },
                { "-x --ephemeral=no", EPHEMERAL_NO, VOLATILE_NO, NULL, NULL },
                { "--ephemeral=disk", EPHEMERAL_DISK, VOLATILE_NO, NULL, NULL },
                { "--volatile", EPHEMERAL_NO, VOLATILE_YES, NULL, NULL },
                { "--volatile=no", EPHEMERAL_NO, VOLATILE_NO, NULL, NULL },
                { "--volatile=state", EPHEMERAL_NO, VOLATILE_STATE, NULL, NULL },
                { "--volatile=overlay -x", EPHEMERAL_MEMORY, VOLATILE_OVERLAY, NULL, NULL },
                { "--pivot-root=/a//b/", EPHEMERAL_NO, VOLATILE_NO, "/a/b", NULL },
                { "--pivot-root=/x:/y --pivot-root=/a:/b/./c", EPHEMERAL_NO, VOLATILE_NO, "/a",
                  "/b/c" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Bed b;

                CHECK_EQ(read_both(&b, rows[i].line, NULL, false, false), 0, "row %zu: %s", i,
                         b.error.text);
                CHECK_EQ(b.command.spec.ephemeral, rows[i].ephemeral, "row %zu", i);
                CHECK_EQ(b.command.spec.volatile_mode, rows[i].mode, "row %zu", i);
                CHECK_STR(strempty(b.command.spec.pivot_new), strempty(rows[i].pivot_new),
                          "row %zu", i);
                CHECK_STR(strempty(b.command.spec.pivot_old), strempty(rows[i].pivot_old),
                          "row %zu", i);
                bed_done(&b);
        }
}

static void test_file(void **state) {
        static const char text[] = "# a comment\n"
                                   "[Exec]\n"
                                   "Boot=yes\n"
                                   "ProcessTwo=no\n"
                                   "Parameters=one 'two three'\n"
                                   "Environment=A=1 \"B=2 3\"\n"
                                   "Hostname=from-file\n"
                                   "KillSignal=SIGRTMIN+4\n"
                                   "Capability=CAP_SYS_TIME\n"
                                   "LinkJournal=no\n"
                                   "[Network]\n"
                                   "VirtualEthernet=yes\n"
                                   "[Files]\n"
                                   "ReadOnly=yes\n";
        Bed b;

        assert_int_equal(read_both(&b, "--hostname=from-line", text, true, false), 0);
        const Spec *s = &b.command.spec;
        assert_int_equal(s->start, START_BOOT);
        assert_int_equal(strv_length(s->argv), 2);
        assert_string_equal(s->argv[1], "two three");
        assert_string_equal(s->environment[1], "B=2 3");
        assert_string_equal(s->hostname, "from-line");
        assert_true(s->network.veth && s->read_only);
        assert_true(s->capabilities_add == 1ULL << 25);
        bed_done(&b);

        assert_int_equal(read_both(&b, "--hostname=from-line", text, true, true), 0);
        assert_string_equal(b.command.spec.hostname, "from-file");
        bed_done(&b);
}

/* Keys that reach the host count in trusted files alone. */
static void test_trust(void **state) {
        static const char *const needs[] = {
                "[Exec]\nEphemeral=yes\n",
                "[Exec]\nCapability=CAP_SYS_TIME\n",
                "[Exec]\nAmbientCapability=CAP_SYS_TIME\n",
                "[Exec]\nSystemCallFilter=swapon\n",
                "[Exec]\nSystemCallFilter=\n",
                "[Exec]\nMachineID=11111111222233334444555555555555\n",
                "[Exec]\nPrivateUsers=no\n",
                "[Exec]\nPrivateUsersDelegate=1\n",
                "[Exec]\nLimitNOFILE=5\n",
                "[Exec]\nOOMScoreAdjust=-1000\n",
                "[Exec]\nCPUAffinity=0\n",
                "[Exec]\nLinkJournal=host\n",
                "[Files]\nBind=/etc\n",
                "[Files]\nBindReadOnly=/etc\n",
                "[Files]\nTemporaryFileSystem=/etc\n",
                "[Files]\nOverlay=/a:/b\n",
                "[Files]\nInaccessible=/a\n",
                "[Files]\nBindUser=root\n",
                "[Files]\nBindUserShell=yes\n",
                "[Files]\nPrivateUsersOwnership=off\n",
                "[Network]\nPrivate=no\n",
                "[Network]\nVirtualEthernet=yes\n",
                "[Network]\nInterface=eth0\n",
                "[Network]\nPort=80\n",
        };
        static const char *const any[] = {
                "[Exec]\nBoot=yes\n",
                "[Exec]\nUser=nobody\n",
                "[Exec]\nEnvironment=A=1\n",
                "[Exec]\nDropCapability=CAP_MKNOD\n",
                "[Exec]\nKillSignal=TERM\n",
                "[Exec]\nNotifyReady=yes\n",
                "[Exec]\nHostname=a\n",
                "[Exec]\nNoNewPrivileges=yes\n",
                "[Exec]\nSystemCallFilter=~@mount\n",
                "[Exec]\nRestrictAddressFamilies=AF_UNIX\n",
                "[Exec]\nSuppressSync=yes\n",
                "[Exec]\nPersonality=x86-64\n",
                "[Exec]\nWorkingDirectory=/a\n",
                "[Files]\nReadOnly=yes\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(needs); i++) {
                Bed b;

                CHECK_EQ(read_both(&b, NULL, needs[i], false, false), 0, "row %zu", i);
                CHECK_EQ(b.settings.n, 0, "needs %zu", i);
                CHECK_EQ(strv_length(b.settings.notes), 1, "needs %zu", i);
                CHECK_EQ(strncmp(b.settings.notes[0], FILE_NAME ":2: ", 11), 0, "needs %zu: %s", i,
                         b.settings.notes[0]);
                bed_done(&b);
        }
        for (size_t i = 0; i < ELEMENTSOF(any); i++) {
                Bed b;

                CHECK_EQ(read_both(&b, NULL, any[i], false, false), 0, "any %zu", i);
                CHECK_EQ(b.settings.n, 1, "any %zu", i);
                CHECK_EQ(strv_length(b.settings.notes), 0, "any %zu", i);
                bed_done(&b);
        }
}

static void test_refused(void **state) {
        static const struct {
                const char *line, *file;
                int error;
                const char *text; /* what the message begins with */
        } rows[] = {
                { "--network-interface=b/c", NULL, -EINVAL, "--network-interface: 'b/c' is not" },
                { "--network-bridge=a/b", NULL, -EINVAL,
                  "--network-bridge: 'a/b' is not the name" },
                { "--network-zone=thirteen-longer", NULL, -EINVAL, "--network-zone: 'thirteen" },
                { "--network-zone=a --network-bridge=b", NULL, -EINVAL,
                  "--network-zone: a machine's" },
                { NULL, "[Network]\nZone=a\nBridge=b\n", -EINVAL,
                  FILE_NAME ":2: Zone=: a machine's link" },
                { "--network-namespace-path=/a --network-zone=b", NULL, -EINVAL,
                  "--network-namespace-path: only" },
                { "--network-veth-extra=a:b:c", NULL, -EINVAL,
                  "--network-veth-extra: 'b:c' is not" },
                { "--network-veth-extra=sixteen-long-is-1", NULL, -EINVAL,
                  "--network-veth-extra: 's" },
                { "--network-macvlan=eth%d", NULL, -EINVAL,
                  "--network-macvlan: 'eth%d' is not the" },
                { "--network-macvlan=eth0:", NULL, -EINVAL,
                  "--network-macvlan: '' is not the name" },
                { "--network-ipvlan=17", NULL, -EINVAL, "--network-ipvlan: '17' is not the name" },
                { "-n --network-mac=02:00:00:00:00:1", NULL, -EINVAL, "--network-mac: '02:00:" },
                { "-n --network-mac=03:00:00:00:00:01", NULL, -EINVAL, "--network-mac: '03:00:" },
                { "--network-mac=02:00:00:00:00:01", NULL, -EINVAL, "--network-mac: there is no" },
                { "-p 80", NULL, -EINVAL, "-p: the machine has the host's network" },
                { "-n -p 80 -p 127.0.0.1:80", NULL, -EEXIST, "-p: 'tcp:80' is taken by" },
                { "-x --link-journal=host", NULL, -EINVAL, "--link-journal: an ephemeral" },
                { "--timezone=UTC", NULL, -EINVAL, "--timezone: 'UTC'" },
                { "--volatile=most", NULL, -EINVAL, "--volatile: 'most' is not" },
                { "--ephemeral=tape", NULL, -EINVAL, "--ephemeral: 'tape' is not" },
                { "--pivot-root=/a/../b", NULL, -EINVAL, "--pivot-root: '/a/../b' is not an abs" },
                { "--pivot-root=/", NULL, -EINVAL, "--pivot-root: '/': the root cannot stay" },
                { "--pivot-root=/a:/b:/c", NULL, -EINVAL, "--pivot-root: '/a:/b:/c' is not NEW" },
                { "-D / --volatile=overlay", NULL, -EINVAL, "-D: the host's own root" },
                { "--nonsense", NULL, -EINVAL, "unknown option '--nonsense'" },
                { "--machine=a/b", NULL, -EINVAL, "--machine: 'a/b' is not a valid host name" },
                { "--uuid=0", NULL, -EINVAL, "--uuid: '0' is not a 128-bit ID" },
                { "--uuid=00000000000000000000000000000000", NULL, -EINVAL, "--uuid: the ID must" },
                { "--bind=:b", NULL, -EINVAL, "--bind: 'b' is not an absolute path" },
                { "--bind=/a:b", NULL, -EINVAL, "--bind: 'b' is not an absolute path" },
                { "--bind=/a:/b:ro", NULL, -EINVAL, "--bind: unknown option 'ro'" },
                { "--inaccessible=/", NULL, -EINVAL, "--inaccessible: nothing is left" },
                { "--tmpfs=/a/../b", NULL, -EINVAL, "--tmpfs: '/a/../b' is not an absolute path" },
                { "--property=Nonsense=1", NULL, -EOPNOTSUPP,
                  "--property: property 'Nonsense' is not supported" },
                { "--property=TasksMax=many", NULL, -EINVAL,
                  "--property: TasksMax: 'many' is not" },
                { "--keep-unit --slice=a", NULL, -EINVAL, "--slice: with --keep-unit" },
                { "--slice=a--b", NULL, -EINVAL, "--slice: 'a--b' is not the name of a slice" },
                { "--capability=CAP_NONE", NULL, -EINVAL, "--capability: 'CAP_NONE' is not a cap" },
                { "--private-users=managed", NULL, -EOPNOTSUPP, "--private-users: 'managed'" },
                { "--private-users=4294967295:2", NULL, -ERANGE, "--private-users: " },
                { "--private-users=5:0", NULL, -ERANGE, "--private-users: " },
                { "--private-users-ownership=map", NULL, -EINVAL,
                  "--private-users-ownership: there" },
                { "-b -u daemon", NULL, -EINVAL, "-u: an init" },
                { "--chdir=/proc/self", NULL, -EINVAL, "--chdir: the working directory" },
                { "-D /", NULL, -EINVAL, "-D: the host's own root" },
                { "--setenv=1A=b", NULL, -EINVAL, "--setenv: '1A=b' is not NAME=VALUE" },
                { NULL, "[Exec]\n\nHostnam=a\n", -EINVAL,
                  FILE_NAME ":3: unknown key 'Hostnam=' in section [Exec]" },
                { NULL, "[Exce]\nBoot=yes\n", -EINVAL, FILE_NAME ":2: unknown section [Exce]" },
                { NULL, "[Exec]\nBoot=perhaps\n", -EINVAL,
                  FILE_NAME ":2: Boot=: 'perhaps' is neither yes nor no" },
                { NULL, "[Exec]\nPersonality=vax\n", -EINVAL, FILE_NAME ":2: Personality=: 'vax'" },
                { NULL, "[Exec]\nLimitNOFILE=2:1\n", -EINVAL, FILE_NAME ":2: LimitNOFILE=: the" },
                { NULL, "[Exec]\nLimitCPU=x\n", -EINVAL, FILE_NAME ":2: LimitCPU=: 'x' is not" },
                { "--system-call-filter=~read_it", NULL, -EINVAL,
                  "--system-call-filter: 'read_it' is not a system call" },
                { NULL, "[Exec]\nSystemCallFilter=@nothing\n", -EINVAL,
                  FILE_NAME ":2: SystemCallFilter=: '@nothing' is not a set of system calls" },
                { "--restrict-address-families=AF_NOWHERE", NULL, -EINVAL,
                  "--restrict-address-families: 'AF_NOWHERE' is not an address family" },
                { "--rlimit=NOFILE", NULL, -EINVAL, "--rlimit: 'NOFILE' is not NAME=" },
                { "--rlimit=FILES=1", NULL, -EINVAL, "--rlimit: 'FILES' is not the name" },
                { "--cpu-affinity=3-1", NULL, -EINVAL, "--cpu-affinity: '3-1' is not" },
                { "--cpu-affinity=8192", NULL, -ERANGE, "--cpu-affinity: '8192' is not" },
                { "--oom-score-adjust=1001", NULL, -EINVAL, "--oom-score-adjust: '1001' is not" },
                { "--ambient-capability=all", NULL, -EINVAL, "--ambient-capability: 'all' is" },
                { "-b --ambient-capability=CAP_KILL", NULL, -EINVAL, "--ambient-capability: an " },
                { "--ambient-capability=CAP_KILL --drop-capability=CAP_KILL", NULL, -EINVAL,
                  "--ambient-capability: the machine" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Bed b;
                int r = read_both(&b, rows[i].line, rows[i].file, true, false);

                if (strncmp(b.error.text, rows[i].text, strlen(rows[i].text)) != 0)
                        fail_msg("row %zu: '%s'", i, b.error.text);
                CHECK_EQ(r, rows[i].error, "row %zu %s", i, b.error.text);
                bed_done(&b);
        }
}

/* What the table says a setting is without being set is what the Spec begins with. */
static void test_presets(void **state) {
        size_t n, found = 0;
        const Setting *rows = spec_settings(&n);

        for (size_t i = 0; i < n; i++) {
                SpecCommand before = {}, after = {};
                Error e = {};

                if (!rows[i].preset)
                        continue;
                found++;
                spec_init(&before.spec);
                spec_init(&after.spec);
                CHECK_EQ(rows[i].parse(rows + i, rows[i].preset, (char *) &after + rows[i].at, &e),
                         0, "%s: %s", rows[i].flag, e.text);
                CHECK_EQ(memcmp(&before, &after, sizeof before), 0, "%s", rows[i].flag);
        }
        assert_true(found > 5);
}

/* The lines of a dump but for those that say where things come from. */
static char *without_origins(const char *dump) {
        _cleanup_(buf_done) Buf out = {};

        while (*dump) {
                size_t n = strcspn(dump, "\n") + 1;
                if (strncmp(dump, "# ", 2) != 0)
                        assert_int_equal(buf_append(&out, dump, n), 0);
                dump += n;
        }
        return buf_take(&out);
}

/* A dump is a settings file that says the same. */
static void test_dump_reads_back(void **state) {
        static const char
                text[] = "[Exec]\nBoot=yes\nParameters=a 'b c' \"d\\n\"\n"
                         "Environment=A=1 \"B=2 3\"\nEnvironment=C=%%\nUser=root\n"
                         "KillSignal=RTMIN+3\nMachineID=11111111222233334444555555555555\n"
                         "PrivateUsers=65536:65536\nCapability=CAP_BPF\nNotifyReady=1\n"
                         "DropCapability=CAP_MKNOD CAP_CHOWN\nDropCapability=CAP_KILL\n"
                         "LimitNOFILE=5:6\nOOMScoreAdjust=7\nWorkingDirectory=/a//b/\n"
                         "[Files]\nBind=/a b:/c:norbind\nBind=\nBind=+/x:/y\n"
                         "BindReadOnly=/p\\:q:/r\nTemporaryFileSystem=/t:size=1%%\n"
                         "[Network]\nPrivate=on\n";
        static const SpecifierTable specifiers = {};
        _cleanup_free_ char *first = NULL, *second = NULL;
        char *last = NULL;

        for (int round = 0; round < 2; round++) {
                _cleanup_(buf_done) Buf out = {};
                Bed b = {};
                size_t n;
                const Setting *rows = spec_settings(&n);
                const char *in = round == 0 ? text : first;

                settings_init(&b.settings, rows, n);
                b.settings.specifiers = &specifiers;
                spec_init(&b.command.spec);
                CHECK_EQ(settings_from_text(&b.settings, "f", in, strlen(in), true, 1, &b.error), 0,
                         "%s", b.error.text);
                CHECK_EQ(settings_apply(&b.settings, &b.command, &b.error), 0, "%s", b.error.text);
                assert_int_equal(spec_dump(&b.settings, &b.command, DUMP_TEXT, &out), 0);
                *(round == 0 ? &first : &second) = without_origins(out.p);
                last = out.p ? strstr(out.p, "X-Options") : NULL;
                assert_non_null(last);
                bed_done(&b);
        }
        assert_string_equal(first, second);
        assert_non_null(strstr(first, "\nParameters=\"a\" \"b c\" \"d\\n\"\n"));
        assert_non_null(strstr(first, "\nEnvironment=C=%%\n"));
        assert_non_null(strstr(first, "\nBind=+/x:/y\n"));
        assert_null(strstr(first, "/a b"));
        assert_non_null(strstr(first, "\n#ProcessTwo=no\n"));
}

/* What was typed is told as a file would say it, as far as one could. */
static void test_dump_of_a_command_line(void **state) {
        _cleanup_(buf_done) Buf out = {};
        Bed b;

        assert_int_equal(setenv("SKEP_TEST", "of ours", 1), 0);
        assert_int_equal(read_both(&b, "-U -E A=\"1\" -E SKEP_TEST --bind=/x -S small",
                                   "[Exec]\nHostname=h\n", true, false),
                         0);
        assert_int_equal(spec_dump(&b.settings, &b.command, DUMP_TEXT, &out), 0);
        assert_non_null(strstr(out.p, "\n# -U\nPrivateUsers=pick\n"));
        assert_non_null(strstr(out.p, "\n# -E\nEnvironment=\"A=\\x221\\x22\"\n"));
        assert_non_null(strstr(out.p, "\n# -E\nEnvironment=\"SKEP_TEST=of ours\"\n"));
        assert_non_null(strstr(out.p, "\n# " FILE_NAME ":2\nHostname=h\n"));
        assert_non_null(strstr(out.p, "\n# -S\n--slice=small.slice\n"));

        out.n = 0;
        assert_int_equal(spec_dump(&b.settings, &b.command, DUMP_JSON, &out), 0);
        assert_non_null(strstr(out.p, "\"Hostname\""));
        bed_done(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_private_users),
                cmocka_unit_test(test_mounts),
                cmocka_unit_test(test_overlays),
                cmocka_unit_test(test_views),
                cmocka_unit_test(test_file),
                cmocka_unit_test(test_trust),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_presets),
                cmocka_unit_test(test_dump_reads_back),
                cmocka_unit_test(test_dump_of_a_command_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
