/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bundles as Specs, see oci-spec.h. One small function per part of the document; looks at the host for nothing but
 * the document itself and where its root is. */
#include "spawn/oci-spec.h"

#include <fcntl.h>
#include <sys/personality.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "spawn/oci-join.h"
#include "spawn/userns.h"

int oci_spec_read(const char *bundle, OciConfig **ret, Error *e) {
        _cleanup_free_ char *path = path_join(bundle, "config.json"), *text = NULL;
        size_t n = 0;
        int r;

        if (!path)
                return error_oom(e);
        r = file_read(AT_FDCWD, path, OCI_DOCUMENT_MAX, &text, &n);
        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", path);
        if (strlen(text) != n)
                return error_set(e, EINVAL, "'%s' is not text", path);
        r = oci_config_parse(text, ret, e);
        return r < 0 ? error_wrap(e, r, "%s", path) : 0;
}

static bool has_path(const OciNamespace *n) {
        return n && n->path && *n->path;
}

bool oci_spec_has_new(const OciConfig *c, OciNamespaceType type) {
        const OciNamespace *n = oci_namespace_find(c, type);

        return n && !has_path(n);
}

bool oci_spec_has_any(const OciConfig *c, OciNamespaceType type) {
        return oci_namespace_find(c, type);
}

int oci_spec_ranges(const OciIdMappings *m, const char *what, IdRanges *ret, Error *e) {
        IdRanges ranges = {};

        for (size_t i = 0; i < m->n; i++) {
                const OciIdMapping *v = m->v + i;
                int r = id_ranges_add(&ranges, (uint32_t) v->container.value,
                                      (uint32_t) v->host.value, (uint32_t) v->size.value, e);
                if (r < 0)
                        return error_wrap(e, r, "%s[%zu]", what, i);
        }
        *ret = ranges;
        return 0;
}

static int fill_root(Spec *s, const OciConfig *c, Error *e) {
        if (!c->root)
                return error_set(e, EINVAL, "root: missing");
        _cleanup_free_ char *path = *c->root->path == '/' ? strdup(c->root->path)
                                                          : path_join(s->oci_bundle, c->root->path);
        if (!path)
                return error_oom(e);
        char *real = realpath(path, NULL);
        if (!real)
                return error_set(e, errno, "root.path: cannot find '%s': %m", path);
        free(s->directory);
        s->directory = real;
        if (streq(real, "/"))
                return error_set(e, EINVAL, "root.path: the host's own root");
        return 0;
}

/* The namespace says itself who is in it. */
static int fill_others_users(Spec *s, const OciConfig *c, Error *e) {
        _cleanup_fd_ int fd = oci_join_open_users(c, e);

        if (fd < 0)
                return fd;
        s->private_users = PRIVATE_USERS_FIXED;
        s->ownership = OWNERSHIP_OFF;
        s->joined_users = true;
        return userns_read_maps(fd, &s->private_users_map, &s->private_groups_map, e);
}

static int fill_users(Spec *s, const OciConfig *c, Error *e) {
        const OciLinux *l = &c->linux_;
        int r;

        if (!oci_spec_has_new(c, OCI_NAMESPACE_USER)) {
                if (oci_spec_has_any(c, OCI_NAMESPACE_USER))
                        return fill_others_users(s, c, e);
                if (l->uid_mappings.n > 0)
                        return error_set(e, EINVAL,
                                         "linux.uidMappings: there is no user namespace to map in");
                return 0;
        }
        if (l->uid_mappings.n == 0 || l->gid_mappings.n == 0)
                return error_set(e, EINVAL,
                                 "linux.%s: missing, for the user namespace to have anybody in it",
                                 l->uid_mappings.n == 0 ? "uidMappings" : "gidMappings");
        s->private_users = PRIVATE_USERS_FIXED;
        s->ownership = OWNERSHIP_OFF;
        r = oci_spec_ranges(&l->uid_mappings, "linux.uidMappings", &s->private_users_map, e);
        return r < 0 ? r
                     : oci_spec_ranges(&l->gid_mappings, "linux.gidMappings",
                                       &s->private_groups_map, e);
}

static int fill_namespaces(Spec *s, const OciConfig *c, Error *e) {
        const OciNamespace *mount = oci_namespace_find(c, OCI_NAMESPACE_MOUNT);

        if (has_path(mount))
                return error_set(e, EOPNOTSUPP,
                                 "linux.namespaces: the mount namespace of another container cannot"
                                 " be given a root; exec is for joining it");
        s->share_pid = !oci_spec_has_new(c, OCI_NAMESPACE_PID);
        s->share_ipc = !oci_spec_has_new(c, OCI_NAMESPACE_IPC);
        s->share_uts = !oci_spec_has_new(c, OCI_NAMESPACE_UTS);
        s->share_cgroup = !oci_spec_has_new(c, OCI_NAMESPACE_CGROUP);
        s->network.private = oci_spec_has_new(c, OCI_NAMESPACE_NETWORK);
        if (!oci_spec_has_any(c, OCI_NAMESPACE_UTS) &&
            ((c->hostname && *c->hostname) || (c->domainname && *c->domainname)))
                return error_set(e, EINVAL,
                                 "%s: not without a UTS namespace, for it would be the host's",
                                 c->hostname && *c->hostname ? "hostname" : "domainname");
        if (c->linux_.time_offsets.n > 0 && !oci_spec_has_new(c, OCI_NAMESPACE_TIME))
                return error_set(e, EINVAL, "linux.timeOffsets: not without a new time namespace");
        return c->hostname && *c->hostname && str_replace(&s->hostname, c->hostname) < 0
                       ? error_oom(e)
                       : 0;
}

int oci_spec_limits(const OciProcess *p, Limit limits[static LIMITS_MAX], Error *e) {
        for (size_t i = 0; i < p->rlimits.n; i++) {
                const OciRlimit *l = p->rlimits.v + i;
                int at = str_skip_prefix(l->type, "RLIMIT_") ? limit_find(l->type) : -EINVAL;
                if (at < 0)
                        return error_set(e, EINVAL, "process.rlimits[%zu].type: '%.60s' is unknown",
                                         i, l->type);
                limits[at] = (Limit){ .soft = (rlim_t) l->soft.value,
                                      .hard = (rlim_t) l->hard.value,
                                      .given = true };
        }
        return 0;
}

static int fill_labels(Spec *s, const OciConfig *c, Error *e) {
        const OciProcess *p = c->process;
        const struct {
                char **to;
                const char *from;
        } labels[] = {
                { &s->apparmor_profile, p->apparmor_profile },
                { &s->selinux_context, p->selinux_label },
                { &s->selinux_apifs_context, c->linux_.mount_label },
        };

        for (size_t i = 0; i < ELEMENTSOF(labels); i++)
                if (labels[i].from && *labels[i].from &&
                    str_replace(labels[i].to, labels[i].from) < 0)
                        return error_oom(e);
        return 0;
}

static int fill_process(Spec *s, const OciConfig *c, Error *e) {
        const OciProcess *p = c->process;
        int r;

        if (!p)
                return error_set(e, EINVAL, "process: missing");
        if (!p->args)
                return error_set(e, EINVAL, "process.args: missing, so there is nothing to run");
        s->argv = strv_free(s->argv);
        s->environment = strv_free(s->environment);
        if (strv_copy(p->args, &s->argv) < 0 || strv_copy(p->env, &s->environment) < 0 ||
            str_replace(&s->working_directory, p->cwd) < 0)
                return error_oom(e);
        s->start = START_COMMAND;
        s->no_new_privileges = p->no_new_privileges;
        if (p->oom_score_adj.set)
                s->oom_score_adjust = (int) p->oom_score_adj.value;
        if (!p->terminal)
                s->console = CONSOLE_PIPE;
        else if (s->console == CONSOLE_PIPE || s->console == CONSOLE_AUTOPIPE)
                return error_set(e, EINVAL,
                                 "process.terminal: there is one, so --console=%s cannot be",
                                 s->console == CONSOLE_PIPE ? "pipe" : "autopipe");
        r = oci_spec_limits(p, s->limits, e);
        return r < 0 ? r : fill_labels(s, c, e);
}

/* All of the host's that a machine would be given by itself. */
static void fill_integration(Spec *s, const OciConfig *c) {
        const OciPersonality *p = c->linux_.personality;

        s->resolv_conf = RESOLV_CONF_OFF;
        s->timezone = TIMEZONE_OFF;
        s->link_journal = LINK_JOURNAL_NO;
        if (p && p->domain != OCI_PERSONALITY_UNSET)
                s->personality = p->domain == OCI_PERSONALITY_LINUX32 ? PER_LINUX32 : PER_LINUX;
}

/* Where the kernel has it, we still do not; not to have it must not go unnoticed. */
static int check_rdt(const OciConfig *c, Error *e) {
        const OciIntelRdt *rdt = c->linux_.intel_rdt;

        return rdt && (rdt->closid || rdt->l3_cache_schema || rdt->mem_bw_schema || rdt->schemata ||
                       rdt->enable_cmt.value || rdt->enable_mbm.value ||
                       rdt->enable_monitoring.value)
                       ? error_set(e, EOPNOTSUPP, "linux.intelRdt: not supported")
                       : 0;
}

static int note_rest(const OciConfig *c, Buf *notes) {
        if (!oci_namespace_find(c, OCI_NAMESPACE_MOUNT))
                return buf_puts(notes, "the document names no mount namespace; the container has"
                                       " one of its own nevertheless\n");
        return 0;
}

int oci_spec_fill(Spec *s, OciConfig *config, Buf *notes, Error *e) {
        int r;

        (void) oci_config_free(s->oci);
        s->oci = config;
        r = fill_root(s, config, e);
        if (r >= 0)
                r = fill_process(s, config, e);
        if (r >= 0)
                r = fill_namespaces(s, config, e);
        if (r >= 0)
                r = fill_users(s, config, e);
        if (r >= 0)
                r = check_rdt(config, e);
        if (r < 0)
                return r;
        fill_integration(s, config);
        return note_rest(config, notes) < 0 ? error_oom(e) : 0;
}
