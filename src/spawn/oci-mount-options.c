/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options as a table, see oci-mount-options.h. Later ones win over earlier ones. */
#include "spawn/oci-mount-options.h"

#include <sys/mount.h>

typedef enum OptionKind {
        KIND_ATTRIBUTE,      /* value: set, or with a '-' before what it clears */
        KIND_DEEP_ATTRIBUTE, /* also of what is mounted in it */
        KIND_PROPAGATION,
        KIND_DEEP_PROPAGATION,
        KIND_BIND,
        KIND_DEEP_BIND,
        KIND_IDMAP,
        KIND_DEEP_IDMAP,
        KIND_COPY_UP,
        KIND_NOTHING, /* is so in any case, or has no meaning any more */
} OptionKind;

#define ATIME MOUNT_ATTR__ATIME

static const struct {
        const char *name;
        OptionKind kind;
        uint64_t set, clear;
} options_known[] = {
        { "async", KIND_NOTHING, 0, 0 },
        { "atime", KIND_ATTRIBUTE, 0, ATIME },
        { "bind", KIND_BIND, 0, 0 },
        { "defaults", KIND_NOTHING, 0, 0 },
        { "dev", KIND_ATTRIBUTE, 0, MOUNT_ATTR_NODEV },
        { "diratime", KIND_ATTRIBUTE, 0, MOUNT_ATTR_NODIRATIME },
        { "exec", KIND_ATTRIBUTE, 0, MOUNT_ATTR_NOEXEC },
        { "idmap", KIND_IDMAP, 0, 0 },
        { "iversion", KIND_NOTHING, 0, 0 },
        { "loud", KIND_NOTHING, 0, 0 },
        { "noatime", KIND_ATTRIBUTE, MOUNT_ATTR_NOATIME, ATIME },
        { "nodev", KIND_ATTRIBUTE, MOUNT_ATTR_NODEV, 0 },
        { "nodiratime", KIND_ATTRIBUTE, MOUNT_ATTR_NODIRATIME, 0 },
        { "noexec", KIND_ATTRIBUTE, MOUNT_ATTR_NOEXEC, 0 },
        { "noiversion", KIND_NOTHING, 0, 0 },
        { "nolazytime", KIND_NOTHING, 0, 0 },
        { "nomand", KIND_NOTHING, 0, 0 },
        { "norelatime", KIND_ATTRIBUTE, 0, ATIME },
        { "nostrictatime", KIND_ATTRIBUTE, 0, ATIME },
        { "nosuid", KIND_ATTRIBUTE, MOUNT_ATTR_NOSUID, 0 },
        { "nosymfollow", KIND_ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW, 0 },
        { "private", KIND_PROPAGATION, MS_PRIVATE, 0 },
        { "ratime", KIND_DEEP_ATTRIBUTE, 0, ATIME },
        { "rbind", KIND_DEEP_BIND, 0, 0 },
        { "rdev", KIND_DEEP_ATTRIBUTE, 0, MOUNT_ATTR_NODEV },
        { "rdiratime", KIND_DEEP_ATTRIBUTE, 0, MOUNT_ATTR_NODIRATIME },
        { "relatime", KIND_ATTRIBUTE, 0, ATIME },
        { "rexec", KIND_DEEP_ATTRIBUTE, 0, MOUNT_ATTR_NOEXEC },
        { "ridmap", KIND_DEEP_IDMAP, 0, 0 },
        { "rnoatime", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_NOATIME, ATIME },
        { "rnodev", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_NODEV, 0 },
        { "rnodiratime", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_NODIRATIME, 0 },
        { "rnoexec", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_NOEXEC, 0 },
        { "rnorelatime", KIND_DEEP_ATTRIBUTE, 0, ATIME },
        { "rnostrictatime", KIND_DEEP_ATTRIBUTE, 0, ATIME },
        { "rnosuid", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_NOSUID, 0 },
        { "rnosymfollow", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW, 0 },
        { "ro", KIND_ATTRIBUTE, MOUNT_ATTR_RDONLY, 0 },
        { "rprivate", KIND_DEEP_PROPAGATION, MS_PRIVATE, 0 },
        { "rrelatime", KIND_DEEP_ATTRIBUTE, 0, ATIME },
        { "rro", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_RDONLY, 0 },
        { "rrw", KIND_DEEP_ATTRIBUTE, 0, MOUNT_ATTR_RDONLY },
        { "rshared", KIND_DEEP_PROPAGATION, MS_SHARED, 0 },
        { "rslave", KIND_DEEP_PROPAGATION, MS_SLAVE, 0 },
        { "rstrictatime", KIND_DEEP_ATTRIBUTE, MOUNT_ATTR_STRICTATIME, ATIME },
        { "rsuid", KIND_DEEP_ATTRIBUTE, 0, MOUNT_ATTR_NOSUID },
        { "rsymfollow", KIND_DEEP_ATTRIBUTE, 0, MOUNT_ATTR_NOSYMFOLLOW },
        { "runbindable", KIND_DEEP_PROPAGATION, MS_UNBINDABLE, 0 },
        { "rw", KIND_ATTRIBUTE, 0, MOUNT_ATTR_RDONLY },
        { "shared", KIND_PROPAGATION, MS_SHARED, 0 },
        { "silent", KIND_NOTHING, 0, 0 },
        { "slave", KIND_PROPAGATION, MS_SLAVE, 0 },
        { "strictatime", KIND_ATTRIBUTE, MOUNT_ATTR_STRICTATIME, ATIME },
        { "suid", KIND_ATTRIBUTE, 0, MOUNT_ATTR_NOSUID },
        { "symfollow", KIND_ATTRIBUTE, 0, MOUNT_ATTR_NOSYMFOLLOW },
        { "tmpcopyup", KIND_COPY_UP, 0, 0 },
        { "unbindable", KIND_PROPAGATION, MS_UNBINDABLE, 0 },
};

/* What was cleared is not set, and the other way round; of the times of access only one is. */
static void merge(uint64_t *set, uint64_t *clear, uint64_t new_set, uint64_t new_clear) {
        *set = (*set & ~new_clear) | new_set;
        *clear = (*clear & ~(new_set & ~ATIME)) | new_clear;
}

/* Return: whether the option is one of a mount. */
static bool take(const char *name, MountView *v) {
        for (size_t i = 0; i < ELEMENTSOF(options_known); i++) {
                uint64_t set = options_known[i].set, clear = options_known[i].clear;

                if (!streq(options_known[i].name, name))
                        continue;
                switch (options_known[i].kind) {
                case KIND_ATTRIBUTE:
                        merge(&v->set, &v->clear, set, clear);
                        break;
                case KIND_DEEP_ATTRIBUTE:
                        merge(&v->set, &v->clear, set, clear);
                        merge(&v->deep_set, &v->deep_clear, set, clear);
                        break;
                case KIND_PROPAGATION:
                case KIND_DEEP_PROPAGATION:
                        v->propagation = set;
                        v->deep_propagation = options_known[i].kind == KIND_DEEP_PROPAGATION;
                        break;
                case KIND_BIND:
                case KIND_DEEP_BIND:
                        v->bind = true;
                        v->recursive = options_known[i].kind == KIND_DEEP_BIND;
                        break;
                case KIND_IDMAP:
                case KIND_DEEP_IDMAP:
                        v->idmap = true;
                        v->deep_idmap = options_known[i].kind == KIND_DEEP_IDMAP;
                        break;
                case KIND_COPY_UP:
                        v->copy_up = true;
                        break;
                case KIND_NOTHING:
                        break;
                }
                return true;
        }
        return false;
}

int oci_mount_options(char *const *options, MountView *ret, char **ret_rest) {
        _cleanup_strv_ char **rest = NULL;
        MountView v = {};
        char *joined = NULL;

        STRV_FOREACH(o, options)
                if (!take(*o, &v) && **o && strv_append(&rest, *o) < 0)
                        return -ENOMEM;
        if (rest) {
                joined = strv_join(rest, ",");
                if (!joined)
                        return -ENOMEM;
        }
        *ret = v;
        *ret_rest = joined;
        return 0;
}

int oci_mount_options_help(char ***ret) {
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < ELEMENTSOF(options_known); i++)
                if (strv_append(&names, options_known[i].name) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(names);
        return 0;
}
