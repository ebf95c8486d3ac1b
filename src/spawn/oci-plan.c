/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans of containers, see oci-plan.h. Each mount of the document is an item of the same mount plan that machines
 * have; what follows from the rest of it (devices, what is read-only, what is hidden) is behind those. */
#include "spawn/oci-plan.h"

#include <sys/mount.h>

#include "base/path.h"
#include "spawn/capability.h"
#include "spawn/oci-seccomp.h"
#include "spawn/oci-spec.h"

static int own(MountPlan *p, char *s, const char **ret) {
        if (strv_consume(&p->owned, s) < 0)
                return -ENOMEM;
        *ret = s;
        return 0;
}

static const struct {
        const char *name;
        MountType type;
} fs_names[] = {
        { "tmpfs", MOUNT_TMPFS },    { "proc", MOUNT_PROC },     { "sysfs", MOUNT_SYSFS },
        { "devpts", MOUNT_DEVPTS },  { "mqueue", MOUNT_MQUEUE }, { "cgroup", MOUNT_CGROUP },
        { "cgroup2", MOUNT_CGROUP },
};

static MountType type_of(const OciMount *m, const MountView *v) {
        const char *type = strempty(m->type);

        if (v->bind || streq(type, "bind") || streq(type, "rbind"))
                return MOUNT_HOST;
        for (size_t i = 0; i < ELEMENTSOF(fs_names); i++)
                if (streq(type, fs_names[i].name))
                        return fs_names[i].type;
        return MOUNT_OTHER;
}

/* Old documents leave the slash out. */
static int plan_target(MountPlan *p, const OciMount *m, const char **ret) {
        _cleanup_free_ char *absolute = str_format("/%s", m->destination);

        return absolute ? own(p, path_clean(absolute), ret) : -ENOMEM;
}

/* A value that has commas, or ends like one that is quoted, is put in quotes for mount_new(). */
static int add_option(MountPlan *p, MountItem *item, const char *name, const char *value) {
        const char *old = item->options, *quote = strchr(value, ',') ? "\"" : "";

        return own(p,
                   str_format("%s%s%s=%s%s%s", strempty(old), old ? "," : "", name, quote, value,
                              quote),
                   &item->options);
}

static int plan_bind(const Spec *spec, MountPlan *p, const OciMount *m, MountItem *item, Error *e) {
        if (!m->source || !*m->source)
                return error_set(e, EINVAL, "source: missing, of a bind");
        item->flags |= item->view->recursive ? MOUNT_RECURSIVE : 0;
        char *path = *m->source == '/' ? strdup(m->source) : path_join(spec->oci_bundle, m->source);
        return own(p, path, &item->source) < 0 ? error_oom(e) : 0;
}

/* What is not a bind: a file system that is made new.
 * @rest:  its options */
static int plan_new(const Spec *spec, MountPlan *p, const OciMount *m, char *rest, MountItem *item,
                    Error *e) {
        MountType t = item->type;

        item->attributes = item->view->set;
        item->fs = t == MOUNT_OTHER ? m->type : NULL;
        if (t == MOUNT_OTHER && (!m->type || !*m->type))
                return error_set(e, EINVAL, "type: missing");
        /* Of that, each kernel has its own. */
        if (t == MOUNT_CGROUP)
                item->flags |= spec->share_cgroup &&
                                               !oci_spec_has_any(spec->oci, OCI_NAMESPACE_CGROUP)
                                       ? MOUNT_OWN_GROUP
                                       : 0;
        else if (rest && own(p, strdup(rest), &item->options) < 0)
                return error_oom(e);
        /* What mountinfo calls it, or what it is made of. */
        if (m->source && *m->source && t != MOUNT_CGROUP && !strchr(m->source, '"') &&
            add_option(p, item, "source", m->source) < 0)
                return error_oom(e);
        if (spec->selinux_apifs_context && t != MOUNT_PROC && t != MOUNT_SYSFS &&
            t != MOUNT_CGROUP && add_option(p, item, "context", spec->selinux_apifs_context) < 0)
                return error_oom(e);
        /* Others may be mounted in it, and devices made: it is closed when all that is done. */
        if (t == MOUNT_TMPFS && item->attributes & MOUNT_ATTR_RDONLY) {
                item->attributes &= ~(uint64_t) MOUNT_ATTR_RDONLY;
                item->flags |= MOUNT_CLOSE_LATER;
        }
        return 0;
}

static bool has_mappings(const OciMount *m) {
        return m->uid_mappings.n > 0;
}

static int plan_item(const Spec *spec, MountPlan *p, const OciMount *m, MountItem *item,
                     MountView *view, Error *e) {
        static const char *const own_folders[] = { "/proc", "/sys", "/dev" };
        _cleanup_free_ char *rest = NULL;

        if (oci_mount_options(m->options, view, &rest) < 0)
                return error_oom(e);
        *item = (MountItem){ .phase = PHASE_INNER,
                             .type = type_of(m, view),
                             .flags = MOUNT_MAKE_TARGET,
                             .view = view,
                             .mapping = has_mappings(m) ? m : NULL };
        if (plan_target(p, m, &item->target) < 0)
                return error_oom(e);
        if (streq(item->target, "/"))
                return error_set(e, EINVAL, "destination: the root is what root.path says");
        if ((view->idmap || item->mapping) && item->type != MOUNT_HOST)
                return error_set(e, EINVAL, "only a bind can map IDs");
        view->idmap = view->idmap || item->mapping;
        if (view->idmap && !item->mapping && !spec_has_private_users(spec))
                return error_set(e, EINVAL,
                                 "options: idmap needs uidMappings, or those of a user namespace");
        if (view->copy_up && item->type != MOUNT_TMPFS)
                return error_set(e, EINVAL, "options: tmpcopyup is for a tmpfs");
        /* Somebody who may write to the image could else say where they are. */
        for (size_t i = 0; i < ELEMENTSOF(own_folders); i++)
                if (streq(item->target, own_folders[i]))
                        item->flags |= MOUNT_NO_SYMLINK;
        return item->type == MOUNT_HOST ? plan_bind(spec, p, m, item, e)
                                        : plan_new(spec, p, m, rest, item, e);
}

/* Whether /dev is somebody else's, who has put in it what is needed. */
static bool binds_dev(const MountPlan *p) {
        bool bound = false;

        for (size_t i = 0; i < p->n; i++)
                if (streq(p->items[i].target, "/dev"))
                        bound = p->items[i].type == MOUNT_HOST;
        return bound;
}

/* What is done once the container is otherwise complete, and its hooks have seen it. */
static void plan_closing(const Spec *spec, MountPlan *p) {
        static const MountView read_only = { .set = MOUNT_ATTR_RDONLY,
                                             .bind = true,
                                             .recursive = true };
        const OciLinux *l = &spec->oci->linux_;
        size_t n = p->n;

        for (size_t i = 0; i < n; i++)
                if (p->items[i].flags & MOUNT_CLOSE_LATER)
                        p->items[p->n++] = (MountItem){ .phase = PHASE_ENTER,
                                                        .type = MOUNT_CLOSE,
                                                        .attributes = MOUNT_ATTR_RDONLY,
                                                        .target = p->items[i].target,
                                                        .of = i };
        if (spec->oci->root->readonly)
                p->items[p->n++] = (MountItem){ .phase = PHASE_ENTER,
                                                .type = MOUNT_CLOSE,
                                                .attributes = MOUNT_ATTR_RDONLY,
                                                .target = "/",
                                                .of = SIZE_MAX };
        STRV_FOREACH(path, l->readonly_paths)
                p->items[p->n++] = (MountItem){ .phase = PHASE_ENTER,
                                                .type = MOUNT_SELF,
                                                .flags = MOUNT_IF_PRESENT | MOUNT_RECURSIVE,
                                                .attributes = MOUNT_ATTR_RDONLY,
                                                .target = *path,
                                                .view = &read_only };
        STRV_FOREACH(path, l->masked_paths)
                p->items[p->n++] = (MountItem){ .phase = PHASE_ENTER,
                                                .type = MOUNT_COVER,
                                                .flags = MOUNT_IF_PRESENT,
                                                .attributes = MOUNT_ATTR_RDONLY,
                                                .target = *path };
}

int oci_mount_plan(const Spec *spec, MountPlan *ret, Error *e) {
        _cleanup_(mount_plan_done) MountPlan p = {};
        const OciConfig *c = spec->oci;
        size_t n = 2 * c->mounts.n + strv_length(c->linux_.masked_paths) +
                   strv_length(c->linux_.readonly_paths) + 2;

        p.items = calloc(n, sizeof *p.items);
        p.views = calloc(c->mounts.n + 1, sizeof *p.views);
        if (!p.items || !p.views)
                return error_oom(e);
        for (size_t i = 0; i < c->mounts.n; i++) {
                int r = plan_item(spec, &p, c->mounts.v + i, p.items + p.n, p.views + i, e);
                if (r < 0)
                        return error_wrap(e, r, "mounts[%zu]", i);
                p.n++;
        }
        if (!binds_dev(&p))
                p.items[p.n++] = (MountItem){ .phase = PHASE_INNER,
                                              .type = MOUNT_NODES,
                                              .flags = MOUNT_MAKE_TARGET | MOUNT_NO_SYMLINK,
                                              .target = "/dev",
                                              .document = &c->linux_ };
        plan_closing(spec, &p);

        *ret = p;
        p = (MountPlan){};
        return 0;
}

void oci_device_plan(const DeviceFacts *facts, NodePlan *ret) {
        static const struct {
                const char *path;
                unsigned minor;
        } devices[] = {
                { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 }, { "urandom", 9 }
        };
        static const struct {
                const char *path, *content;
        } links[] = {
                { "ptmx", "pts/ptmx" },          { "fd", "/proc/self/fd" },
                { "stdin", "/proc/self/fd/0" },  { "stdout", "/proc/self/fd/1" },
                { "stderr", "/proc/self/fd/2" },
        };

        ret->n = 0;
        for (size_t i = 0; i < ELEMENTSOF(devices); i++)
                node_plan_add_device(ret, devices[i].path, 1, devices[i].minor);
        node_plan_add_device(ret, "tty", 5, 0);
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                node_plan_add_link(ret, links[i].path, links[i].content);
        if (facts->has_kcore)
                node_plan_add_link(ret, "core", "/proc/kcore");
}

static uint64_t mask_of(char *const *names) {
        uint64_t mask = 0;

        STRV_FOREACH(name, names) {
                int number = capability_parse(*name);
                if (number >= 0)
                        mask |= UINT64_C(1) << number;
        }
        return mask;
}

void oci_plan_rights(const OciCapabilities *c, PlanRights *ret) {
        *ret = (PlanRights){ .exact = true };
        if (!c)
                return;
        ret->bounding = mask_of(c->bounding);
        ret->effective = mask_of(c->effective);
        ret->permitted = mask_of(c->permitted);
        ret->inheritable = mask_of(c->inheritable);
        /* The kernel keeps none that is not in both. */
        ret->ambient = mask_of(c->ambient) & ret->permitted & ret->inheritable;
}

int oci_plan_make(const Spec *spec, const Facts *facts, const IdPlan *ids, Plan *ret, Error *e) {
        int r;

        *ret = (Plan){ .ids = *ids, .listen = facts->listen, .personality = spec->personality };
        oci_plan_rights(spec->oci->process->capabilities, &ret->rights);
        ret->capabilities = ret->rights.bounding;
        oci_device_plan(&facts->devices, &ret->dev);
        r = oci_mount_plan(spec, &ret->mounts, e);
        if (r >= 0)
                r = oci_seccomp_plan(spec->oci->linux_.seccomp, &ret->seccomp, e);
        if (r < 0) {
                plan_done(ret);
                return r;
        }
        if (strv_copy(spec->environment, &ret->environment) < 0 ||
            listen_fds_environment(&facts->listen, 1, &ret->environment) < 0) {
                plan_done(ret);
                return error_oom(e);
        }
        return 0;
}
