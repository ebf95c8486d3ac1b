/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Access lists and attributes of files that are copied, see transfer-meta.h. */
#include "machined/transfer-meta.h"

#include <endian.h>
#include <limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "base/home.h"

#define VALUE_MAX (64 * 1024)

int transfer_map_acl(const Transfer *t, void *acl, size_t n) {
        uint32_t version;

        if (n < sizeof version || (n - sizeof version) % sizeof(struct posix_acl_xattr_entry) != 0)
                return -EINVAL;
        memcpy(&version, acl, sizeof version);
        if (le32toh(version) != POSIX_ACL_XATTR_VERSION)
                return -EINVAL;
        for (size_t at = sizeof version; at < n; at += sizeof(struct posix_acl_xattr_entry)) {
                struct posix_acl_xattr_entry entry;

                memcpy(&entry, (char *) acl + at, sizeof entry);
                uint16_t tag = le16toh(entry.e_tag);
                if (tag != ACL_USER && tag != ACL_GROUP)
                        continue;
                entry.e_id = htole32(
                        transfer_id(t, tag == ACL_USER ? t->uids : t->gids, le32toh(entry.e_id)));
                memcpy((char *) acl + at, &entry, sizeof entry);
        }
        return 0;
}

static int copy_one(const Transfer *t, const char *from, const char *to, const char *name,
                    char *value) {
        bool is_acl = str_skip_prefix(name, "system.posix_acl_");

        if (!is_acl && !str_skip_prefix(name, "user."))
                return 0;
        /* What a user takes out of a machine of theirs is theirs alone. */
        if (is_acl && home_is_user() && !t->to_machine)
                return 0;
        ssize_t n = getxattr(from, name, value, VALUE_MAX);
        if (n < 0)
                return errno == ENODATA ? 0 : -errno; /* somebody took it away */
        if (is_acl) {
                int r = transfer_map_acl(t, value, (size_t) n);
                if (r < 0)
                        return r;
        }
        if (setxattr(to, name, value, (size_t) n, 0) < 0)
                return errno == EOPNOTSUPP && !is_acl ? 0 : -errno;
        return 0;
}

int transfer_copy_meta(const Transfer *t, int from, int to) {
        char from_path[FD_PATH_MAX], to_path[FD_PATH_MAX];
        _cleanup_free_ char *names = NULL, *value = NULL;
        int r = 0;

        (void) fd_path(from, from_path);
        (void) fd_path(to, to_path);
        ssize_t n = listxattr(from_path, NULL, 0);
        if (n < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;
        if (n == 0)
                return 0;
        names = malloc(XATTR_LIST_MAX);
        value = malloc(VALUE_MAX);
        if (!names || !value)
                return -ENOMEM;
        n = listxattr(from_path, names, XATTR_LIST_MAX);
        if (n < 0)
                return -errno;
        for (const char *name = names; name < names + n && r >= 0; name += strlen(name) + 1)
                r = copy_one(t, from_path, to_path, name, value);
        return r;
}
