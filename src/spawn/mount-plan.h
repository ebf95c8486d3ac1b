/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All mounts of a machine but its root, in the order in which they are made. Pure data: made from the
 * Spec, printed by --dry-run, carried out by mount.c. */
#pragma once

#include "spawn/oci-mount-options.h"
#include "spawn/run.h"

typedef enum MountType {
        MOUNT_TMPFS,
        MOUNT_PROC,
        MOUNT_SYSFS,
        MOUNT_CGROUP,
        MOUNT_DEVPTS,
        MOUNT_MQUEUE,
        MOUNT_HOST,      /* source: a path of the host */
        MOUNT_IMAGE,     /* source: a path of the image, or of what is mounted already */
        MOUNT_SELF,      /* the target onto itself, for its attributes */
        MOUNT_SYS_PARTS, /* /sys with those parts of sysfs that a network of its own has */
        MOUNT_LAYER,     /* no mount, but a lower layer of the overlay after it */
        MOUNT_OVERLAY,   /* source: the upper layer; NULL = read-only */
        MOUNT_INACCESSIBLE,
        /* of containers */
        MOUNT_OTHER, /* a file system of some other type */
        MOUNT_NODES, /* no mount: devices and links are made there */
        MOUNT_COVER, /* hidden: an empty folder or file over it */
        MOUNT_CLOSE, /* no new mount: the one of another item, or the root, becomes read-only */
        _MOUNT_TYPE_MAX,
} MountType;

typedef enum MountFlags {
        MOUNT_MAKE_TARGET = 1 << 0, /* make the mount point if it is missing */
        MOUNT_IF_PRESENT = 1 << 1,  /* no mount point (or source): nothing to do */
        MOUNT_NO_SYMLINK = 1 << 2,  /* the mount point must not be reached through a symlink */
        MOUNT_RECURSIVE = 1 << 3,   /* with everything mounted below the source */
        MOUNT_FILL_DEV = 1 << 4,    /* put the device plan into it */
        MOUNT_FILL_RUN = 1 << 5,    /* put the run plan into it */
        MOUNT_MASK = 1 << 6,        /* afterwards it must be seen to be inaccessible */
        MOUNT_PLAIN = 1 << 7,       /* nothing is put into it, and its options need no explaining */
        MOUNT_OWN_GROUP = 1 << 8,   /* cgroup: what is seen of it without a namespace */
        MOUNT_CLOSE_LATER = 1 << 9, /* another item makes it read-only */
} MountFlags;

typedef struct MountItem {
        Phase phase; /* PHASE_BUILD or PHASE_INNER */
        MountType type;
        MountFlags flags;
        uint64_t attributes; /* MOUNT_ATTR_* */
        MountIdmap idmap;    /* of a bind */
        const char *target;
        const char *source;  /* NULL where the type has none; "" = a throw-away directory */
        const char *options; /* of the file system, "a=b,c"; NULL = none */
        size_t n_layers;     /* overlay: how many items before this are its lower layers */
        /* of containers */
        const char *fs;                  /* MOUNT_OTHER: type of the file system */
        const MountView *view;           /* NULL = of a machine: attributes are all there is */
        const struct OciMount *mapping;  /* bind: has ID mappings of its own; NULL = none */
        const struct OciLinux *document; /* MOUNT_NODES: devices beside those that all have */
        size_t of;                       /* MOUNT_CLOSE: index of an item; SIZE_MAX = the root */
} MountItem;

typedef struct MountPlan {
        MountItem *items;
        size_t n;
        char **owned; /* strings that items point to */
        MountView *views;
} MountPlan;

/** mount_plan_done() - free it */
void mount_plan_done(MountPlan *p);

/** mount_plan() - plan the mounts
 * @ids:  the machine's; empty without a user namespace
 * @ret:  points into @spec, which must outlive it
 * Return: 0, -ENOMEM, -EINVAL for options that make no sense. */
int mount_plan(const Spec *spec, const IdRanges *ids, MountPlan *ret, Error *e);

/** mount_plan_covers() - whether a path below /proc is one that a machine has covered unless told otherwise */
bool mount_plan_covers(const char *path);
/** mount_plan_help() - those paths, a line each. Return: 0 or -ENOMEM. */
int mount_plan_help(Buf *out);

/** mount_plan_format() - one mount a line. Return: 0 or -ENOMEM. */
int mount_plan_format(const MountPlan *p, Buf *out);
