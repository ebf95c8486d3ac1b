/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owner, mode, attributes and time of a file, see tree.h. Which file that is, is tree.c's concern. */
#include "importer/tree.h"

#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "importer/policy.h"

void tree_meta_done(TreeMeta *m) {
        for (size_t i = 0; i < m->n_xattrs; i++) {
                free(m->xattrs[i].name);
                free(m->xattrs[i].value);
        }
        free(m->xattrs);
        *m = (TreeMeta){};
}

int tree_meta_add_xattr(TreeMeta *m, const char *name, const void *value, size_t size) {
        TreeXattr *x = reallocarray(m->xattrs, m->n_xattrs + 1, sizeof *x);

        if (!x)
                return -ENOMEM;
        m->xattrs = x;
        x += m->n_xattrs;
        *x = (TreeXattr){ .name = strdup(name), .value = malloc(size + 1), .size = size };
        if (!x->name || !x->value) {
                free(x->name);
                free(x->value);
                return -ENOMEM;
        }
        if (size > 0)
                memcpy(x->value, value, size);
        m->n_xattrs++;
        return 0;
}

static int apply_xattrs(int fd, ImageClass class, const TreeMeta *m, bool is_users,
                        TreeSkipped *skipped, Error *e) {
        for (size_t i = 0; i < m->n_xattrs; i++) {
                const TreeXattr *x = m->xattrs + i;

                if (!policy_takes_xattr(class, x->name)) {
                        skipped->xattrs += !streq(x->name, "security.selinux");
                        continue;
                }
                if (fsetxattr(fd, x->name, x->value, x->size, 0) >= 0)
                        continue;
                /* The loss of a comment is noted, that of a permission is not taken; what belongs to a user
                 * has none but those of that user. */
                if ((errno == EOPNOTSUPP && str_skip_prefix(x->name, "user.")) ||
                    (errno == EPERM && is_users)) {
                        skipped->xattrs++;
                        continue;
                }
                return error_set(e, errno, "cannot set its attribute '%.100s': %m", x->name);
        }
        return 0;
}

/* Return: 1 it has its owner; 0 it stays with the user who unpacks it; -errno. */
static int give(int fd, const TreeMeta *m, const TreeMade *made, TreeSkipped *skipped, Error *e) {
        if (m->uid == made->uid && m->gid == made->gid)
                return 1;
        if (fchown(fd, m->uid, m->gid) >= 0)
                return 1;
        if (errno != EPERM || made->uid == 0)
                return error_set(e, errno, "cannot give it to %u:%u: %m", m->uid, m->gid);
        skipped->owners++;
        return 0;
}

int tree_meta_apply(int fd, ImageClass class, const TreeMeta *m, const TreeMade *made,
                    TreeSkipped *skipped, Error *e) {
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, m->mtime };
        int r = give(fd, m, made, skipped, e);

        if (r < 0)
                return r;
        /* A change of owner takes setuid and setgid away; and nobody is to run as who unpacks it. */
        mode_t mode = r > 0 ? m->mode : m->mode & 01777;
        if (mode != made->mode && fchmod(fd, mode) < 0)
                return error_set(e, errno, "cannot set its mode to %04o: %m", mode);
        r = apply_xattrs(fd, class, m, made->uid != 0, skipped, e);
        if (r < 0)
                return r;
        if (futimens(fd, times) < 0)
                return error_set(e, errno, "cannot set its time: %m");
        return 0;
}
