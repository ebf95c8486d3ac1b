/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mounts of a machine, as a plan. The fixed ones are rows of a table with a condition each; what
 * the user asked for is sorted in behind them. Nothing is looked up or opened here. */
#include "spawn/mount-plan.h"

#include <sys/mount.h>

#include "base/parse.h"
#include "base/path.h"

#define NOSUID   MOUNT_ATTR_NOSUID
#define NODEV    MOUNT_ATTR_NODEV
#define NOEXEC   MOUNT_ATTR_NOEXEC
#define RDONLY   MOUNT_ATTR_RDONLY
#define STRICT   MOUNT_ATTR_STRICTATIME
#define NOTHING  (NOSUID | NODEV | NOEXEC)
#define FIXED    (MOUNT_MAKE_TARGET | MOUNT_NO_SYMLINK)
#define MASK     (MOUNT_IF_PRESENT | MOUNT_MASK)
#define INACCESS "/run/host/inaccessible/reg"

/* When a row applies. */
typedef enum When {
        ALWAYS,
        TMPFS_TMP,
        HOST_NETWORK,          /* and /sys read-only */
        HOST_NETWORK_WRITABLE, /* and /sys writable */
        OWN_NETWORK,
        OWN_NETWORK_WRITABLE,
        PROC_SYS_READ_ONLY,
        PROC_SYS_NET_WRITABLE,
        WITHOUT_STATE, /* --volatile=state */
} When;

typedef struct Row {
        When when;
        MountItem item;
} Row;

static const Row rows[] = {
#define B PHASE_BUILD
#define I PHASE_INNER
        /* clang-format off */
        { WITHOUT_STATE, { B, MOUNT_TMPFS, MOUNT_MAKE_TARGET, NODEV|STRICT, 0, "/var", NULL, "mode=0755,size=25%,nr_inodes=1m" } },
        { ALWAYS, { B, MOUNT_TMPFS, FIXED|MOUNT_FILL_DEV, NOSUID|STRICT, 0, "/dev", NULL, "mode=0755,size=4m,nr_inodes=64k" } },
        { ALWAYS, { B, MOUNT_TMPFS, MOUNT_PLAIN, NOSUID|NODEV|STRICT, 0, "/dev/shm", NULL, "mode=1777,size=10%,nr_inodes=400k" } },
        { ALWAYS, { B, MOUNT_DEVPTS, MOUNT_PLAIN, NOSUID|NOEXEC, 0, "/dev/pts", NULL, "newinstance,ptmxmode=0666,mode=0620" } },
        { ALWAYS, { B, MOUNT_TMPFS, FIXED|MOUNT_FILL_RUN, NOSUID|NODEV|STRICT, 0, "/run", NULL, "mode=0755,size=20%,nr_inodes=800k" } },
        { TMPFS_TMP, { B, MOUNT_TMPFS, MOUNT_MAKE_TARGET|MOUNT_PLAIN, NOSUID|NODEV|STRICT, 0, "/tmp", NULL, "mode=1777,size=10%,nr_inodes=400k" } },
        { HOST_NETWORK, { B, MOUNT_SYSFS, FIXED, NOTHING|RDONLY, 0, "/sys", NULL, NULL } },
        { HOST_NETWORK_WRITABLE, { B, MOUNT_SYSFS, FIXED, NOTHING, 0, "/sys", NULL, NULL } },

        { OWN_NETWORK, { I, MOUNT_SYS_PARTS, FIXED, NOTHING|RDONLY, 0, "/sys", NULL, "mode=0555,size=4m,nr_inodes=1k" } },
        { OWN_NETWORK_WRITABLE, { I, MOUNT_SYSFS, FIXED, NOTHING, 0, "/sys", NULL, NULL } },
        { ALWAYS, { I, MOUNT_CGROUP, MOUNT_PLAIN, NOTHING, 0, "/sys/fs/cgroup", NULL, NULL } },
        { ALWAYS, { I, MOUNT_MQUEUE, MOUNT_PLAIN, NOTHING, 0, "/dev/mqueue", NULL, NULL } },
        { ALWAYS, { I, MOUNT_PROC, FIXED, NOTHING, 0, "/proc", NULL, NULL } },
        { PROC_SYS_READ_ONLY, { I, MOUNT_SELF, 0, NOTHING|RDONLY, 0, "/proc/sys", NULL, NULL } },
        { PROC_SYS_NET_WRITABLE, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING, 0, "/proc/sys/net", NULL, NULL } },
        { ALWAYS, { I, MOUNT_IMAGE, 0, NOTHING|RDONLY, 0, "/proc/sys/kernel/random/boot_id", "/run/host/proc-sys-kernel-random-boot-id", NULL } },
        { ALWAYS, { I, MOUNT_IMAGE, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/kmsg", "/run/host/proc-kmsg", NULL } },
        { ALWAYS, { I, MOUNT_IMAGE, MASK, NOTHING|RDONLY, 0, "/proc/kallsyms", INACCESS, NULL } },
        { ALWAYS, { I, MOUNT_IMAGE, MASK, NOTHING|RDONLY, 0, "/proc/kcore", INACCESS, NULL } },
        { ALWAYS, { I, MOUNT_IMAGE, MASK, NOTHING|RDONLY, 0, "/proc/keys", INACCESS, NULL } },
        { ALWAYS, { I, MOUNT_IMAGE, MASK, NOTHING|RDONLY, 0, "/proc/sysrq-trigger", INACCESS, NULL } },
        { ALWAYS, { I, MOUNT_IMAGE, MASK, NOTHING|RDONLY, 0, "/proc/timer_list", INACCESS, NULL } },
        { ALWAYS, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/acpi", NULL, NULL } },
        { ALWAYS, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/apm", NULL, NULL } },
        { ALWAYS, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/asound", NULL, NULL } },
        { ALWAYS, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/bus", NULL, NULL } },
        { ALWAYS, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/fs", NULL, NULL } },
        { ALWAYS, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/irq", NULL, NULL } },
        { ALWAYS, { I, MOUNT_SELF, MOUNT_IF_PRESENT, NOTHING|RDONLY, 0, "/proc/scsi", NULL, NULL } },
        /* clang-format on */
};

/* After what the user asked for, which may lie in it. */
static const MountItem closing_rows[] = {
        { B, MOUNT_SELF, MOUNT_RECURSIVE, NOTHING | RDONLY, 0, "/run/host", NULL, NULL },
        { B, MOUNT_HOST, MOUNT_IF_PRESENT, NOTHING | RDONLY, 0, "/run/host/os-release",
          "/etc/os-release", NULL },
};
#undef B
#undef I

/* What belongs to a network that was there before is the host's, to users of the machine's own. */
static bool owns_sysctl(const Spec *spec) {
        return spec_owns_network(spec) &&
               !(spec->network.namespace_path && spec_has_private_users(spec));
}

static bool row_applies(When when, const Spec *spec) {
        bool own = owns_sysctl(spec), writable = spec->api_vfs == API_VFS_WRITABLE;

        switch (when) {
        case ALWAYS:
                return true;
        case TMPFS_TMP:
                return !spec->no_tmpfs_tmp;
        case HOST_NETWORK:
                return !own && !writable;
        case HOST_NETWORK_WRITABLE:
                return !own && writable;
        case OWN_NETWORK:
                return own && !writable;
        case OWN_NETWORK_WRITABLE:
                return own && writable;
        case WITHOUT_STATE:
                return spec->volatile_mode == VOLATILE_STATE;
        case PROC_SYS_READ_ONLY:
                return !writable;
        case PROC_SYS_NET_WRITABLE:
                return !writable && (own || spec->api_vfs == API_VFS_NETWORK);
        }
        return false;
}

static bool is_cover(const Row *row) {
        return str_skip_prefix(row->item.target, "/proc/");
}

bool mount_plan_covers(const char *path) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (is_cover(rows + i) && streq(path, rows[i].item.target))
                        return true;
        return false;
}

int mount_plan_help(Buf *out) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (is_cover(rows + i) && buf_printf(out, "%s\n", rows[i].item.target) < 0)
                        return -ENOMEM;
        return buf_puts(out, "all\n");
}

/* Whether the user wants none of it. What only opens a part of what is covered goes with that. */
static bool is_unmasked(const Row *row, const Spec *spec) {
        return spec->unmask && is_cover(row) &&
               (strv_contains(spec->unmask, "all") ||
                strv_contains(spec->unmask, row->item.target));
}

void mount_plan_done(MountPlan *p) {
        free(p->items);
        free(p->views);
        strv_free(p->owned);
        *p = (MountPlan){};
}

/* Keeps a string for as long as the plan lives. */
static int own(MountPlan *p, char *s, const char **ret) {
        if (strv_consume(&p->owned, s) < 0)
                return -ENOMEM;
        *ret = s;
        return 0;
}

/* Host's ID for one of the machine's. */
static uid_t outside(const IdRanges *ids, uid_t inside) {
        uid_t id = inside;

        (void) id_ranges_to_outside(ids, inside, &id);
        return id;
}

static bool names_option(const char *options, const char *name) {
        size_t n = strlen(name);

        for (const char *p = strempty(options); *p; p += strcspn(p, ","), p += *p == ',')
                if (strncmp(p, name, n) == 0)
                        return true;
        return false;
}

/* A tmpfs or devpts made with the host's rights belongs to the host's root unless it is told. */
static int add_owner(MountPlan *p, MountItem *item, const IdRanges *ids) {
        const char *const names[] = { "uid=", "gid=" };
        uid_t root = outside(ids, 0);

        if (item->type == MOUNT_DEVPTS)
                return own(p, str_format("%s,gid=%u", item->options, outside(ids, 5)),
                           &item->options);
        if (item->type != MOUNT_TMPFS || item->phase != PHASE_BUILD || root == 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *old = item->options;

                if (!names_option(old, names[i]) &&
                    own(p, str_format("%s%s%s%u", strempty(old), old ? "," : "", names[i], root),
                        &item->options) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Owners among the options of a tmpfs are the machine's; the kernel, which hears of them outside, wants the
 * host's. Return: 0 and what to say instead (NULL = the same); -EINVAL; -ENOMEM. */
static int shift_owner(const char *word, const IdRanges *ids, char **ret, Error *e) {
        const char *value = str_skip_prefix(word, "uid=");
        uid_t inside, id;

        *ret = NULL;
        if (!value)
                value = str_skip_prefix(word, "gid=");
        if (!value)
                return 0;
        if (parse_uid(value, &inside) < 0)
                return error_set(e, EINVAL, "'%.60s': only the number of a user or group", word);
        if (ids->n == 0)
                return 0;
        if (id_ranges_to_outside(ids, inside, &id) < 0)
                return error_set(e, EINVAL, "'%.60s': the machine has no such ID", word);
        *ret = str_format("%.4s%u", word, id);
        return *ret ? 0 : error_oom(e);
}

/* A context has commas of its own, so it is quoted. */
static int add_context(MountPlan *p, MountItem *item, const char *context) {
        const char *old = item->options;

        if (!context || (item->type != MOUNT_TMPFS && item->type != MOUNT_DEVPTS &&
                         item->type != MOUNT_SYS_PARTS))
                return 0;
        return own(p, str_format("%s%scontext=\"%s\"", strempty(old), old ? "," : "", context),
                   &item->options);
}

/* Mount flags that may stand among the options of a tmpfs; the rest is the file system's. */
static const struct {
        const char *name;
        uint64_t set, clear;
} flag_names[] = {
        { "ro", RDONLY, 0 },          { "rw", 0, RDONLY },
        { "nosuid", NOSUID, 0 },      { "suid", 0, NOSUID },
        { "nodev", NODEV, 0 },        { "dev", 0, NODEV },
        { "noexec", NOEXEC, 0 },      { "exec", 0, NOEXEC },
        { "strictatime", STRICT, 0 }, { "noatime", MOUNT_ATTR_NOATIME, STRICT },
        { "relatime", 0, STRICT },    { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
};

static bool take_flag(const char *word, uint64_t *attributes) {
        for (size_t i = 0; i < ELEMENTSOF(flag_names); i++)
                if (streq(word, flag_names[i].name)) {
                        *attributes = (*attributes & ~flag_names[i].clear) | flag_names[i].set;
                        return true;
                }
        return false;
}

static int split_options(MountPlan *p, MountItem *item, const char *options, const IdRanges *ids,
                         Error *e) {
        static const IdRanges none = {};
        _cleanup_strv_ char **words = NULL, **rest = NULL;

        if (str_split(options, ",", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(w, words) {
                _cleanup_free_ char *shifted = NULL;

                if (take_flag(*w, &item->attributes))
                        continue;
                int r = shift_owner(*w, item->phase == PHASE_BUILD ? ids : &none, &shifted, e);
                if (r < 0)
                        return r;
                if (strv_append(&rest, shifted ? shifted : *w) < 0)
                        return error_oom(e);
        }
        item->options = NULL;
        return rest && own(p, strv_join(rest, ","), &item->options) < 0 ? error_oom(e) : 0;
}

static int custom_item(MountPlan *p, const CustomMount *m, const IdRanges *ids, MountItem *ret,
                       Error *e) {
        /* Below proc and sysfs there is nothing to mount on before the machine's own are there. */
        bool inner = path_is_below(m->target, "/proc") || path_is_below(m->target, "/sys");

        *ret = (MountItem){
                .phase = inner ? PHASE_INNER : PHASE_BUILD,
                .flags = MOUNT_MAKE_TARGET,
                .target = m->target,
        };

        if (m->type == CUSTOM_MOUNT_TMPFS) {
                ret->type = MOUNT_TMPFS;
                ret->attributes = NODEV | STRICT;
                return split_options(p, ret, m->options ? m->options : "mode=0755", ids, e);
        }

        if (m->type == CUSTOM_MOUNT_INACCESSIBLE) {
                ret->type = MOUNT_INACCESSIBLE;
                ret->flags = 0;
                ret->attributes = NOTHING | RDONLY;
                return 0;
        }

        const char *in_image = str_skip_prefix(m->source, "+");
        ret->type = in_image ? MOUNT_IMAGE : MOUNT_HOST;
        ret->source = in_image ? in_image : m->source;
        ret->attributes = m->type == CUSTOM_MOUNT_BIND_READ_ONLY ? RDONLY : 0;
        ret->flags |= m->norecursive ? 0 : MOUNT_RECURSIVE;
        ret->idmap = m->idmap;
        /* Whoever owns a file on the host would, by making it setuid, decide what runs as another inside. */
        if (m->setuid < 0 || (m->setuid == 0 && m->idmap != MOUNT_IDMAP_NO))
                ret->attributes |= NOSUID;
        return 0;
}

/* An overlay is an item, and each of its layers one before it. */
static void add_overlay(MountPlan *p, const CustomMount *m) {
        MountItem item = { .phase = PHASE_BUILD, .type = MOUNT_LAYER, .target = m->target };

        STRV_FOREACH(layer, m->layers) {
                item.source = *layer;
                p->items[p->n++] = item;
        }
        item.type = MOUNT_OVERLAY;
        item.flags = MOUNT_MAKE_TARGET;
        item.attributes = m->type == CUSTOM_MOUNT_OVERLAY_READ_ONLY ? RDONLY : 0;
        item.source = m->source;
        item.n_layers = strv_length(m->layers);
        p->items[p->n++] = item;
}

/* Parents before what lies in them; else in the order given. */
static void sort_by_target(const CustomMount **v, size_t n) {
        for (size_t i = 1; i < n; i++)
                for (size_t j = i; j > 0 && strcmp(v[j]->target, v[j - 1]->target) < 0; j--) {
                        const CustomMount *t = v[j];
                        v[j] = v[j - 1];
                        v[j - 1] = t;
                }
}

/* @root: those over the root itself, or all others */
static int add_custom(MountPlan *p, const Spec *spec, const IdRanges *ids, bool root, Error *e) {
        _cleanup_free_ const CustomMount **sorted = calloc(spec->n_mounts +
                                                                   ELEMENTSOF(closing_rows),
                                                           sizeof *sorted);

        if (!sorted)
                return error_oom(e);
        for (size_t i = 0; i < spec->n_mounts; i++)
                sorted[i] = spec->mounts + i;
        sort_by_target(sorted, spec->n_mounts);

        for (size_t i = 0; i < spec->n_mounts; i++) {
                if (streq(sorted[i]->target, "/") != root)
                        continue;
                if (sorted[i]->layers) {
                        add_overlay(p, sorted[i]);
                        continue;
                }
                MountItem *item = p->items + p->n++;
                int r = custom_item(p, sorted[i], ids, item, e);
                if (r < 0)
                        return error_wrap(e, r, "%s", sorted[i]->target);
                if (add_owner(p, item, ids) < 0 ||
                    add_context(p, item, spec->selinux_apifs_context) < 0)
                        return error_oom(e);
        }
        return 0;
}

int mount_plan(const Spec *spec, const IdRanges *ids, MountPlan *ret, Error *e) {
        _cleanup_(mount_plan_done) MountPlan p = {};

        size_t n = ELEMENTSOF(rows) + spec->n_mounts + ELEMENTSOF(closing_rows);
        for (size_t i = 0; i < spec->n_mounts; i++)
                n += strv_length(spec->mounts[i].layers);
        p.items = calloc(n, sizeof *p.items);
        if (!p.items)
                return error_oom(e);

        int r = spec_has_root_mount(spec) ? add_custom(&p, spec, ids, true, e) : 0;
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (!row_applies(rows[i].when, spec) || is_unmasked(rows + i, spec))
                        continue;
                p.items[p.n++] = rows[i].item;
                if (add_owner(&p, p.items + p.n - 1, ids) < 0 ||
                    add_context(&p, p.items + p.n - 1, spec->selinux_apifs_context) < 0)
                        return error_oom(e);
        }
        r = add_custom(&p, spec, ids, false, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(closing_rows); i++)
                p.items[p.n++] = closing_rows[i];

        *ret = p;
        p = (MountPlan){};
        return 0;
}

static const char *const type_names[_MOUNT_TYPE_MAX] = {
        [MOUNT_TMPFS] = "tmpfs",
        [MOUNT_PROC] = "proc",
        [MOUNT_SYSFS] = "sysfs",
        [MOUNT_CGROUP] = "cgroup2",
        [MOUNT_DEVPTS] = "devpts",
        [MOUNT_MQUEUE] = "mqueue",
        [MOUNT_HOST] = "bind",
        [MOUNT_IMAGE] = "bind-inside",
        [MOUNT_SELF] = "self",
        [MOUNT_SYS_PARTS] = "sysfs-parts",
        [MOUNT_LAYER] = "layer",
        [MOUNT_OVERLAY] = "overlay",
        [MOUNT_INACCESSIBLE] = "inaccessible",
        [MOUNT_NODES] = "devices",
        [MOUNT_COVER] = "cover",
        [MOUNT_CLOSE] = "close",
};

static const char *const idmap_names[_MOUNT_IDMAP_MAX] = {
        [MOUNT_IDMAP_NO] = "",
        [MOUNT_IDMAP_ALL] = " idmap",
        [MOUNT_IDMAP_ROOT] = " rootidmap",
        [MOUNT_IDMAP_OWNER] = " owneridmap",
};

static int format_attributes(uint64_t attributes, Buf *out) {
        int r = buf_puts(out, attributes & RDONLY ? " ro" : " rw");

        for (size_t i = 0; i < ELEMENTSOF(flag_names); i++)
                if (r >= 0 && flag_names[i].set & ~RDONLY & attributes)
                        r = buf_printf(out, ",%s", flag_names[i].name);
        return r;
}

static int format_view(const MountView *v, Buf *out) {
        static const struct {
                uint64_t propagation;
                const char *name;
        } ways[] = { { MS_SHARED, "shared" },
                     { MS_SLAVE, "slave" },
                     { MS_PRIVATE, "private" },
                     { MS_UNBINDABLE, "unbindable" } };
        int r = v->recursive ? buf_puts(out, " with-mounts") : 0;

        for (size_t i = 0; i < ELEMENTSOF(flag_names) && r >= 0; i++)
                if (flag_names[i].set & v->clear & ~(uint64_t) MOUNT_ATTR__ATIME)
                        r = buf_printf(out, " not-%s", flag_names[i].name);
        if (r >= 0 && (v->deep_set || v->deep_clear))
                r = buf_puts(out, " all-mounts:");
        if (r >= 0 && (v->deep_set || v->deep_clear))
                r = format_attributes(v->deep_set, out);
        for (size_t i = 0; i < ELEMENTSOF(ways) && r >= 0; i++)
                if (v->propagation == ways[i].propagation)
                        r = buf_printf(out, " %s%s", v->deep_propagation ? "r" : "", ways[i].name);
        if (r >= 0 && v->idmap)
                r = buf_puts(out, v->deep_idmap ? " ridmap" : " idmap");
        return r >= 0 && v->copy_up ? buf_puts(out, " filled") : r;
}

/* A bind's are those that are set on what it is a copy of. */
static uint64_t shown_attributes(const MountItem *m) {
        return m->view && (m->type == MOUNT_HOST || m->flags & MOUNT_OWN_GROUP) ? m->view->set
                                                                                : m->attributes;
}

int mount_plan_format(const MountPlan *p, Buf *out) {
        static const char *const phases[_PHASE_MAX] = {
                [PHASE_BUILD] = "build", [PHASE_INNER] = "inner", [PHASE_ENTER] = "last"
        };

        for (size_t i = 0; i < p->n; i++) {
                const MountItem *m = p->items + i;
                int r = buf_printf(out, "  %s %s %s", phases[m->phase],
                                   m->fs ? m->fs : type_names[m->type], m->target);

                if (r >= 0)
                        r = format_attributes(shown_attributes(m), out);
                if (r >= 0 && m->options)
                        r = buf_printf(out, ",%s", m->options);
                if (r >= 0 && m->source)
                        r = buf_printf(out, " from %s",
                                       *m->source ? m->source : "a throw-away directory");
                if (r >= 0 && m->view)
                        r = format_view(m->view, out);
                if (r >= 0)
                        r = buf_printf(out, "%s%s%s\n", m->flags & MOUNT_MASK ? " mask" : "",
                                       idmap_names[m->idmap],
                                       m->flags & MOUNT_IF_PRESENT ? " if-present" : "");
                if (r < 0)
                        return r;
        }
        return 0;
}
