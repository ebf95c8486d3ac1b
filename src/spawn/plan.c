/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the plans of a machine together: capabilities and environment are planned here, the others in
 * rooms of their own. Only facts_read() looks at anything. */
#include "spawn/plan.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "base/path.h"
#include "image/os-release.h"
#include "spawn/capability.h"
#include "spawn/cgroup-place.h"
#include "spawn/oci-plan.h"

#define CAP(x) (UINT64_C(1) << CAP_##x)

static const uint64_t default_capabilities = CAP(AUDIT_CONTROL) | CAP(AUDIT_WRITE) | CAP(CHOWN) |
                                             CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) |
                                             CAP(FOWNER) | CAP(FSETID) | CAP(IPC_OWNER) |
                                             CAP(KILL) | CAP(LEASE) | CAP(LINUX_IMMUTABLE) |
                                             CAP(MKNOD) | CAP(NET_BIND_SERVICE) |
                                             CAP(NET_BROADCAST) | CAP(NET_RAW) | CAP(SETFCAP) |
                                             CAP(SETGID) | CAP(SETPCAP) | CAP(SETUID) |
                                             CAP(SYS_ADMIN) | CAP(SYS_BOOT) | CAP(SYS_CHROOT) |
                                             CAP(SYS_NICE) | CAP(SYS_PTRACE) | CAP(SYS_RESOURCE) |
                                             CAP(SYS_TTY_CONFIG);

uint64_t plan_capabilities(const Spec *spec) {
        uint64_t c = default_capabilities;

        if (spec_owns_network(spec))
                c |= CAP(NET_ADMIN);
        else if (spec_has_private_users(spec))
                c &= ~CAP(NET_BIND_SERVICE);
        return (c | spec->capabilities_add) & ~spec->capabilities_drop;
}

static int plan_environment(const Spec *spec, const Facts *facts, char ***ret) {
        _cleanup_strv_ char **env = NULL;
        char id[ID128_TEXT_MAX];
        int r;

        r = strv_append(&env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        if (r >= 0)
                r = strv_append_format(&env, "container=%s", spec_container_service(spec));
        if (r >= 0)
                r = strv_append_format(&env, "container_uuid=%s",
                                       id128_format_uuid(&facts->uuid, id));
        if (r >= 0)
                r = strv_append(&env, "NOTIFY_SOCKET=/run/host/notify");
        if (r >= 0)
                r = listen_fds_environment(&facts->listen, spec->start == START_AS_PID2 ? 2 : 1,
                                           &env);
        if (r >= 0 && spec_has_credentials(spec))
                r = strv_append(&env, "CREDENTIALS_DIRECTORY=" CREDENTIAL_FOLDER);
        if (r >= 0 && spec->start != START_BOOT)
                r = strv_append(&env, "LANG=C.UTF-8");
        if (r >= 0 && (!spec_has_terminal(spec) || !strv_env_get(facts->terminal, "TERM")))
                r = strv_append(&env, "TERM=dumb");
        if (spec_has_terminal(spec))
                STRV_FOREACH(t, facts->terminal)
                        if (r >= 0)
                                r = strv_env_set(&env, *t);
        STRV_FOREACH(h, facts->host)
                if (r >= 0)
                        r = strv_append(&env, *h);
        STRV_FOREACH(s, spec->environment)
                if (r >= 0)
                        r = strv_env_set(&env, *s);
        if (r >= 0)
                *ret = TAKE_PTR(env);
        return r;
}

static int plan_seccomp(const Spec *spec, uint64_t capabilities, SeccompProgram *ret, Error *e) {
        const SeccompRequest request = {
                .caps = capabilities,
                .calls = spec->system_calls,
                .families = family_list_both(&spec->families, &spec->families_untrusted),
                .host_users = !spec_has_private_users(spec),
                .suppress_sync = spec->suppress_sync,
        };
        SeccompPlan p;

        if (spec->no_seccomp)
                return 0;
        int r = seccomp_plan(&request, &p, e);
        if (r < 0)
                return r;
        return seccomp_plan_keep(&p, ret) < 0 ? error_oom(e) : 0;
}

void plan_done(Plan *p) {
        device_nodes_done(&p->devices);
        device_nodes_done(&p->bound);
        mount_plan_done(&p->mounts);
        network_plan_done(&p->network);
        strv_free(p->environment);
        p->environment = NULL;
        free(p->seccomp.filter);
        p->seccomp = (SeccompProgram){};
}

int plan_make(const Spec *spec, const Facts *facts, const IdPlan *ids, Plan *ret, Error *e) {
        int r;

        if (spec->oci)
                return oci_plan_make(spec, facts, ids, ret, e);
        ret->ids = *ids;
        ret->listen = facts->listen;
        ret->mounts = (MountPlan){};
        ret->network = (NetworkPlan){};
        ret->environment = NULL;
        ret->seccomp = (SeccompProgram){};
        ret->personality = spec->personality != PERSONALITY_UNSET ? spec->personality
                                                                  : facts->personality;
        ret->capabilities = plan_capabilities(spec);
        device_plan(spec, &facts->devices, &ret->dev);
        run_plan(spec, &facts->uuid, &facts->boot_id, &ret->run);

        r = mount_plan(spec, &ids->map, &ret->mounts, e);
        if (r < 0)
                return r;
        r = network_plan(spec, &facts->host_id, &ret->network, e);
        if (r >= 0)
                r = plan_seccomp(spec, ret->capabilities, &ret->seccomp, e);
        if (r < 0) {
                plan_done(ret);
                return r;
        }
        r = plan_environment(spec, facts, &ret->environment);
        if (r < 0) {
                plan_done(ret);
                return error_oom(e);
        }
        return 0;
}

/* As the device policy that we are under sees it, and without the device hearing of it. */
static bool can_use(const char *device) {
        return access(device, R_OK | W_OK) >= 0;
}

static int read_host(char ***ret) {
        static const struct {
                const char *key, *name;
        } keys[] = {
                { "ID", "id" },
                { "VERSION_ID", "version_id" },
                { "BUILD_ID", "build_id" },
                { "VARIANT_ID", "variant_id" },
        };
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **entries = NULL, **out = NULL;
        size_t n;

        if (file_read(AT_FDCWD, "/etc/os-release", OS_RELEASE_SIZE_MAX, &text, &n) < 0 &&
            file_read(AT_FDCWD, "/usr/lib/os-release", OS_RELEASE_SIZE_MAX, &text, &n) < 0)
                return 0;
        int r = os_release_parse(text, n, &entries, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const char *value = strv_env_get(entries, keys[i].key);
                if (value &&
                    strv_append_format(&out, "container_host_%s=%s", keys[i].name, value) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(out);
        return 0;
}

static int read_terminal(char ***ret) {
        static const char *const names[] = { "TERM", "COLORTERM", "NO_COLOR" };
        _cleanup_strv_ char **out = NULL;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *value = getenv(names[i]);
                if (value && !(i == 0 && streq(value, "dumb")) &&
                    strv_append_format(&out, "%s=%s", names[i], value) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(out);
        return 0;
}

/* The image's own ID wins; one that is not set up yet ("uninitialized") counts as none. */
static int read_uuid(const Spec *spec, int root_fd, Id128 *ret) {
        _cleanup_free_ char *text = NULL;

        int r = path_read_in_root(root_fd, "/etc/machine-id", 64, &text, NULL);
        /* What is no proper file says nothing; what could not be asked is not to be guessed. */
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EIO)
                return r;
        if (r >= 0) {
                text[strcspn(text, "\n")] = '\0';
                if (id128_parse(text, ret) >= 0 && !id128_is_null(ret))
                        return 0;
        }
        if (!id128_is_null(&spec->uuid)) {
                *ret = spec->uuid;
                return 0;
        }
        return id128_random(ret);
}

/* A command says nothing of the image, and most are in a hurry. */
static int read_personality(const Spec *spec, int root_fd) {
        static const char *const boot[] = { "/usr/lib/systemd/systemd", "/sbin/init", NULL };
        static const char *const shell[] = { "/bin/sh", NULL };
        const char *const *paths = spec->start == START_BOOT ? boot : shell;

        if (spec->personality != PERSONALITY_UNSET || (spec->argv && spec->start != START_BOOT))
                return PERSONALITY_UNSET;
        for (; *paths; paths++) {
                char head[64];
                _cleanup_fd_ int fd = path_open_regular_in_root(root_fd, *paths);
                ssize_t n = fd < 0 ? fd : fd_read(fd, head, sizeof head);
                if (n > 0)
                        return resource_elf_personality(head, (size_t) n);
        }
        return PERSONALITY_UNSET;
}

void facts_done(Facts *f) {
        f->host = strv_free(f->host);
        f->terminal = strv_free(f->terminal);
}

int facts_read(const Spec *spec, const Run *run, Facts *ret, Error *e) {
        Facts f = {};
        int r;

        if (spec->oci) {
                *ret = (Facts){ .devices.has_kcore = access("/proc/kcore", F_OK) >= 0,
                                .listen = listen_fds_get(),
                                .uuid = spec->uuid };
                r = id128_is_null(&ret->uuid) ? id128_random(&ret->uuid) : 0;
                return r < 0 ? error_set(e, r, "no random numbers: %m") : 0;
        }
        f.devices = (DeviceFacts){ .has_fuse = can_use("/dev/fuse"),
                                   .has_tun = can_use("/dev/net/tun"),
                                   .has_kcore = access("/proc/kcore", F_OK) >= 0 };
        f.listen = listen_fds_get();
        if (network_spec_has_links(&spec->network))
                f.host_id = network_host_id();
        f.personality = read_personality(spec, run->root_fd);
        r = read_uuid(spec, run->root_fd, &f.uuid);
        if (r >= 0)
                r = read_host(&f.host);
        if (r >= 0)
                r = read_terminal(&f.terminal);
        if (r < 0) {
                facts_done(&f);
                return error_set(e, r, "cannot look at the host: %m");
        }
        *ret = f;
        return 0;
}

static int format_ids(const IdPlan *ids, Buf *out) {
        if (!ids->private)
                return buf_puts(out, "user IDs: those of the host\n");
        int r = buf_puts(out, "user IDs:");

        for (size_t i = 0; i < ids->map.n; i++) {
                const IdRange *m = ids->map.v + i;
                if (r >= 0)
                        r = buf_printf(out, "%s %u to %u of the host", i > 0 ? "," : "", m->outside,
                                       m->outside + (m->length - 1));
                if (r >= 0 && m->inside != 0)
                        r = buf_printf(out, " from %u on", m->inside);
        }
        if (r >= 0 && ids->idmapped)
                r = buf_puts(out, ", files mapped");
        if (r >= 0 && ids->idmapped && ids->from != 0)
                r = buf_printf(out, " from %u on", ids->from);
        if (r >= 0 && ids->chown)
                r = buf_puts(out, ", files given to them");
        return r < 0 ? r : buf_puts(out, "\n");
}

static int format_capabilities(const char *label, uint64_t capabilities, Buf *out) {
        int r = buf_printf(out, "%s:", label);

        if (r >= 0)
                r = capability_mask_format(capabilities, out);
        return r < 0 ? r : buf_puts(out, "\n");
}

static int format_command(const Spec *spec, Buf *out) {
        static const char *const modes[_START_MODE_MAX] = {
                [START_COMMAND] = "command as PID 1:",
                [START_BOOT] = "boot with arguments:",
                [START_AS_PID2] = "command as PID 2:",
        };
        static const char *const ephemeral[_EPHEMERAL_MODE_MAX] = {
                [EPHEMERAL_NO] = "",
                [EPHEMERAL_MEMORY] = ", ephemeral",
                [EPHEMERAL_DISK] = ", ephemeral on disk",
        };
        static const char *const volatiles[_VOLATILE_MODE_MAX] = {
                [VOLATILE_NO] = "",
                [VOLATILE_YES] = ", only /usr",
                [VOLATILE_STATE] = ", without state",
                [VOLATILE_OVERLAY] = ", volatile",
        };
        int r = buf_printf(out, "machine: %s\n%s: %s%s%s%s\n", spec->machine,
                           spec->image      ? "image"
                           : spec->is_stack ? "stack"
                                            : "directory",
                           spec_place(spec), spec->read_only ? ", read-only" : "",
                           ephemeral[spec->ephemeral], volatiles[spec->volatile_mode]);

        if (r >= 0 && spec->template_path)
                r = buf_printf(out, "made of, if missing: %s\n", spec->template_path);
        if (r >= 0 && spec->pivot_new)
                r = buf_printf(out, "root in it: %s%s%s\n", spec->pivot_new,
                               spec->pivot_old ? ", its own at " : "", strempty(spec->pivot_old));
        if (r >= 0)
                r = buf_puts(out, modes[spec->start]);

        STRV_FOREACH(a, spec->argv) {
                _cleanup_free_ char *quoted = str_escape(*a, " ");
                if (!quoted)
                        return -ENOMEM;
                if (r >= 0)
                        r = buf_printf(out, " %s", quoted);
        }
        return r < 0 ? r : buf_puts(out, "\n");
}

/* The lists in full, since what a set holds is not what is written in the settings. */
static int format_filter(const Spec *spec, const Plan *p, Buf *out) {
        _cleanup_(buf_done) Buf allow = {}, deny = {}, families = {};
        const FamilyList both = family_list_both(&spec->families, &spec->families_untrusted);
        int r = p->seccomp.n > 0
                        ? buf_printf(out, "system call filter: %zu instructions\n", p->seccomp.n)
                        : buf_puts(out, "system call filter: none\n");

        if (r >= 0 && spec->system_calls)
                r = seccomp_list_format(spec->system_calls, &allow, &deny);
        if (r >= 0 && allow.n > 0)
                r = buf_printf(out, "system calls: %s\n", allow.p);
        if (r >= 0 && deny.n > 1)
                r = buf_printf(out, "system calls: %s\n", deny.p);
        if (r >= 0 && both.mode != FAMILIES_ALL)
                r = family_list_format(&both, &families);
        if (r >= 0 && families.n > 0)
                r = buf_printf(out, "address families: %s\n", families.p);
        return r >= 0 && spec->suppress_sync ? buf_puts(out, "nothing waits for the disk\n") : r;
}

int plan_format(const Spec *spec, const Plan *p, Buf *out) {
        int r = format_command(spec, out);

        if (r >= 0)
                r = format_ids(&p->ids, out);
        STRV_FOREACH(name, spec->bind_users)
                if (r >= 0)
                        r = buf_printf(out, "user of the host: %s\n", *name);
        if (r >= 0)
                r = format_capabilities("capabilities", p->capabilities, out);
        if (r >= 0 && spec->capabilities_ambient)
                r = format_capabilities("ambient capabilities", spec->capabilities_ambient, out);
        if (r >= 0)
                r = limit_format(spec->limits, out);
        if (r >= 0)
                r = resource_format(spec, p->personality, out);
        if (r >= 0)
                r = buf_puts(out, "mounts:\n");
        if (r >= 0)
                r = mount_plan_format(&p->mounts, out);
        if (r >= 0)
                r = buf_puts(out, "/dev:\n");
        if (r >= 0)
                r = node_plan_format(&p->dev, out);
        if (r >= 0)
                r = device_format(&p->devices, out);
        if (r >= 0)
                r = buf_puts(out, "/run:\n");
        if (r >= 0)
                r = node_plan_format(&p->run, out);
        if (r >= 0)
                r = spec->network.namespace_path
                            ? buf_printf(out, "network: %s\n", spec->network.namespace_path)
                            : buf_puts(out, spec_has_private_network(spec)
                                                    ? "network: its own\n"
                                                    : "network: the host's\n");
        if (r >= 0)
                r = network_plan_format(&p->network, out);
        for (size_t i = 0; i < spec->ports.n && r >= 0; i++) {
                r = buf_puts(out, "  port ");
                if (r >= 0)
                        r = port_format(spec->ports.v + i, out);
                if (r >= 0)
                        r = buf_puts(out, "\n");
        }
        if (r >= 0)
                r = buf_puts(out, "control group: ");
        if (r >= 0)
                r = cgroup_place_format(spec, out);
        if (r >= 0)
                r = buf_puts(out, "environment:\n");
        STRV_FOREACH(v, p->environment)
                if (r >= 0)
                        r = buf_printf(out, "  %s\n", *v);
        if (r >= 0)
                r = format_filter(spec, p, out);
        return r;
}
