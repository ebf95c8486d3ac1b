/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the list of partitions to the mounts of a machine. Devices in an image are never devices: whoever made
 * it has none to give. */
#include "spawn/disk-plan.h"

#include <sys/mount.h>

#include "image/file-system.h"

#define DATA_ATTRIBUTES MOUNT_ATTR_NODEV
#define BOOT_ATTRIBUTES                                                                            \
        (MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)

static const struct Place {
        PartitionDesignator designator;
        const char *targets[2];
        bool needs_empty;
        uint64_t attributes;
} places[] = {
        { PARTITION_ROOT, { "/" }, false, DATA_ATTRIBUTES },
        { PARTITION_USR, { "/usr" }, false, DATA_ATTRIBUTES },
        { PARTITION_HOME, { "/home" }, false, DATA_ATTRIBUTES },
        { PARTITION_SRV, { "/srv" }, false, DATA_ATTRIBUTES },
        { PARTITION_VAR, { "/var" }, false, DATA_ATTRIBUTES },
        { PARTITION_TMP, { "/var/tmp" }, false, DATA_ATTRIBUTES },
        { PARTITION_XBOOTLDR, { "/boot" }, true, BOOT_ATTRIBUTES },
        { PARTITION_ESP, { "/efi", "/boot" }, true, BOOT_ATTRIBUTES },
};
_Static_assert(ELEMENTSOF(places) == DISK_MOUNTS_MAX, "every place may be taken");

static bool is_boot(PartitionDesignator d) {
        return d == PARTITION_ESP || d == PARTITION_XBOOTLDR;
}

int disk_mount_set_type(DiskMount *m, const char *fstype) {
        const FileSystem *f = file_system_find(fstype);

        if (!f || (f->is_for_boot && !is_boot(m->designator)))
                return -EMEDIUMTYPE;
        m->read_only = m->read_only || f->is_read_only;
        m->grows = m->grows && !m->read_only;
        m->type = f->type;
        m->options = file_system_options(f, m->read_only);
        return 0;
}

/* A machine that forgets has parts of the image replaced. */
static bool is_used(const Spec *spec, PartitionDesignator d) {
        switch (spec->volatile_mode) {
        case VOLATILE_YES:
                return d == PARTITION_ROOT || d == PARTITION_USR;
        case VOLATILE_STATE:
                return d != PARTITION_VAR && d != PARTITION_TMP;
        default:
                return true;
        }
}

/* The partition for a place, and how it is to be used. Return: 1; 0 the place stays empty; -errno. */
static int choose(const Spec *spec, const Dissection *d, const Verity *v, PartitionDesignator which,
                  const Partition **ret, Protection *protection, Error *e) {
        const Partition *p = NULL;
        int r = protect_find(v, d, which, &p, e);

        if (r == 0)
                r = dissection_find(d, which, &p, e);
        if (r >= 0)
                r = protect_choose(&spec->image_policy, d, v, which, p, protection, e);
        if (r < 0)
                return r;
        if (which == PARTITION_ROOT && !p)
                return error_set(e, ENOMEDIUM,
                                 "it has no partition that could be the root of a machine");
        if (which == PARTITION_ROOT && protection->use == PARTITION_LEAVE)
                return error_set(e, EPERM, "the image policy leaves the root partition unused");
        *ret = p;
        return protection->use != PARTITION_LEAVE;
}

static bool is_checked(const Protection *p) {
        return p->use == PARTITION_CHECKED || p->use == PARTITION_SIGNED;
}

int disk_plan(const Spec *spec, const Dissection *d, const Verity *v, bool writable,
              const char *name, DiskPlan *ret, Error *e) {
        bool read_only = !writable || !spec_writes_image(spec) || spec->dry_run;
        int r;

        *ret = (DiskPlan){};
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                const struct Place *place = places + i;
                Protection protection;
                const Partition *p;

                r = choose(spec, d, v, place->designator, &p, &protection, e);
                if (r < 0)
                        return error_wrap(e, r, "'%s'", name);
                if (r == 0 || !is_used(spec, place->designator))
                        continue;

                DiskMount *m = ret->mounts + ret->n++;
                *m = (DiskMount){ .designator = place->designator,
                                  .partition = *p,
                                  .protection = protection,
                                  .targets = { place->targets[0], place->targets[1] },
                                  .needs_empty = place->needs_empty,
                                  .read_only = read_only || p->flags & PARTITION_READ_ONLY ||
                                               is_checked(&protection),
                                  .grows = p->flags & PARTITION_GROWFS,
                                  .attributes = place->attributes };
                (void) disk_mount_set_type(m, p->fstype);
        }
        r = protect_check_rest(&spec->image_policy, d, e);
        return r < 0 ? error_wrap(e, r, "'%s'", name) : 0;
}

const char *disk_mount_describe(const DiskMount *m, char text[static DISK_MOUNT_TEXT_MAX]) {
        if (m->partition.number == 0)
                (void) snprintf(text, DISK_MOUNT_TEXT_MAX, "the image");
        else
                (void) snprintf(text, DISK_MOUNT_TEXT_MAX, "partition %u (%s)", m->partition.number,
                                partition_designator_name(m->designator));
        return text;
}

static const char *protection_text(const Protection *p) {
        static const char *const texts[_PARTITION_USE_MAX] = {
                [PARTITION_CHECKED] = ", verity",
                [PARTITION_SIGNED] = ", signed verity",
                [PARTITION_DECRYPTED] = ", encrypted",
                [PARTITION_DECRYPTED_CHECKED] = ", encrypted with integrity",
        };

        return strempty(texts[p->use]);
}

static int format_mount(const DiskMount *m, Buf *out) {
        const Partition *p = &m->partition;
        _cleanup_free_ char *label = str_escape(p->label, "");
        char text[DISK_MOUNT_TEXT_MAX];
        int r;

        if (!label)
                return -ENOMEM;
        r = buf_printf(out, "  %s: %s on %s", disk_mount_describe(m, text),
                       p->fstype[0] ? p->fstype : "unknown", m->targets[0]);
        if (r >= 0 && m->targets[1])
                r = buf_printf(out, " or %s", m->targets[1]);
        if (r >= 0)
                r = buf_printf(out, "%s, %s%s%s, %llu bytes at %llu",
                               m->needs_empty ? " if empty" : "", m->read_only ? "ro" : "rw",
                               m->options ? "," : "", strempty(m->options),
                               (unsigned long long) p->size, (unsigned long long) p->offset);
        if (r >= 0)
                r = buf_printf(out, "%s%s", protection_text(&m->protection),
                               m->grows ? ", grows" : "");
        if (r >= 0 && *label)
                r = buf_printf(out, ", '%s'", label);
        return r < 0 ? r : buf_puts(out, "\n");
}

int disk_plan_format(const DiskPlan *p, Buf *out) {
        int r = buf_puts(out, "partitions:\n");

        for (size_t i = 0; i < p->n && r >= 0; i++)
                r = format_mount(p->mounts + i, out);
        return r;
}
