/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changing the owners of an image's files on its disk. Every file is reached by descriptor, none through a
 * symlink, none is opened for more than to be looked at; directories of the image cannot lead out of it. */
#include "spawn/owners.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "spawn/userns.h"

#define ACL_VERSION 2U
#define ACL_USER    0x02
#define ACL_GROUP   0x08
#define ACL_MAX     65536
/* Deeper than any path can be; an image may hold what no path leads to. */
#define DEPTH_MAX 4096U

typedef struct AclEntry {
        uint16_t tag;
        uint16_t permissions;
        uint32_t id;
} AclEntry;

static uid_t moved(uid_t id, uid_t base) {
        return (id & 0xFFFF) | base;
}

int owners_change_acl(void *acl, size_t n, uid_t base) {
        uint32_t version;
        int changed = 0;

        if (n < sizeof version || (n - sizeof version) % sizeof(AclEntry) != 0)
                return -EINVAL;
        memcpy(&version, acl, sizeof version);
        if (le32toh(version) != ACL_VERSION)
                return -EINVAL;
        for (size_t at = sizeof version; at < n; at += sizeof(AclEntry)) {
                AclEntry entry;

                memcpy(&entry, (char *) acl + at, sizeof entry);
                uint16_t tag = le16toh(entry.tag);
                uint32_t id = le32toh(entry.id);
                if ((tag != ACL_USER && tag != ACL_GROUP) || moved(id, base) == id)
                        continue;
                entry.id = htole32(moved(id, base));
                memcpy((char *) acl + at, &entry, sizeof entry);
                changed = 1;
        }
        return changed;
}

static int change_one_acl(const char *path, const char *name, uid_t base) {
        char acl[ACL_MAX];
        ssize_t n = getxattr(path, name, acl, sizeof acl);

        if (n < 0)
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
        int r = owners_change_acl(acl, (size_t) n, base);
        if (r <= 0)
                return r;
        return setxattr(path, name, acl, (size_t) n, 0) < 0 ? -errno : 0;
}

/* Capabilities of a file, which chown() takes away, count for the root of one user namespace.
 * Return: length of what is to be set again; 0 = the file has none; -errno. */
static int read_capabilities(const char *path, uid_t base, struct vfs_ns_cap_data *ret) {
        struct vfs_ns_cap_data c = {};
        ssize_t n = getxattr(path, "security.capability", &c, sizeof c);

        if (n < 0)
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
        if (n != XATTR_CAPS_SZ_2 && n != XATTR_CAPS_SZ_3)
                return 0;
        uint32_t flags = le32toh(c.magic_etc) & ~VFS_CAP_REVISION_MASK;
        c.magic_etc = htole32(flags | (base == 0 ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3));
        c.rootid = htole32(base);
        *ret = c;
        return base == 0 ? XATTR_CAPS_SZ_2 : XATTR_CAPS_SZ_3;
}

/* Owner, mode and capabilities of what @fd (O_PATH) is. */
static int change_owner(int fd, const struct stat *st, uid_t uid, gid_t gid, uid_t base) {
        struct vfs_ns_cap_data capabilities;
        char path[FD_PATH_MAX];
        int n = 0;

        if (uid == st->st_uid && gid == st->st_gid)
                return 0;
        (void) fd_path(fd, path);
        if (S_ISREG(st->st_mode)) {
                n = read_capabilities(path, base, &capabilities);
                if (n < 0)
                        return n;
        }
        if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                return -errno;
        if (st->st_mode & (S_ISUID | S_ISGID) && !S_ISLNK(st->st_mode) &&
            chmod(path, st->st_mode & 07777) < 0)
                return -errno;
        if (n > 0 && setxattr(path, "security.capability", &capabilities, (size_t) n, 0) < 0)
                return -errno;
        return 0;
}

static int change_acls(int fd, const struct stat *st, uid_t base) {
        char path[FD_PATH_MAX];
        int r;

        if (S_ISLNK(st->st_mode))
                return 0;
        (void) fd_path(fd, path);
        r = change_one_acl(path, "system.posix_acl_access", base);
        if (r >= 0 && S_ISDIR(st->st_mode))
                r = change_one_acl(path, "system.posix_acl_default", base);
        return r;
}

/* File systems in which files have no owners to keep. */
static bool is_kernels(int fd) {
        static const long types[] = {
                PROC_SUPER_MAGIC,
                SYSFS_MAGIC,
                CGROUP_SUPER_MAGIC,
                CGROUP2_SUPER_MAGIC,
                DEVPTS_SUPER_MAGIC,
                DEBUGFS_MAGIC,
                TRACEFS_MAGIC,
                SECURITYFS_MAGIC,
                BPF_FS_MAGIC,
                0x6165676C,
                /* pstore */ 0x62656570 /* configfs */,
                EFIVARFS_MAGIC,
                SELINUX_MAGIC,
                SMACK_MAGIC,
                AUTOFS_SUPER_MAGIC,
                BINFMTFS_MAGIC,
                NSFS_MAGIC,
                0x19800202 /* mqueue */,
        };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if ((long) fs.f_type == types[i])
                        return true;
        return false;
}

static int change_children(int dir_fd, dev_t device, uid_t base, unsigned depth, Error *e);

static int change_below(int dir_fd, const char *name, dev_t device, uid_t base, unsigned depth,
                        Error *e) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", name);
        if (st.st_dev != device && is_kernels(fd))
                return 0;
        int r = change_owner(fd, &st, moved(st.st_uid, base), moved(st.st_gid, base), base);
        if (r >= 0)
                r = change_acls(fd, &st, base);
        if (r == -EROFS && st.st_dev != device)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot change the owner of '%s': %m", name);
        if (!S_ISDIR(st.st_mode))
                return 0;
        return change_children(fd, st.st_dev, base, depth, e);
}

static int change_children(int dir_fd, dev_t device, uid_t base, unsigned depth, Error *e) {
        if (depth >= DEPTH_MAX)
                return error_set(e, ELOOP, "directories are nested more than %u deep", DEPTH_MAX);
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d) {
                int r = error_set(e, errno, "cannot read a directory: %m");
                (void) fd_close(fd);
                return r;
        }
        for (;;) {
                errno = 0;
                struct dirent *de = readdir(d);
                if (!de)
                        return errno ? error_set(e, errno, "cannot read a directory: %m") : 0;
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                int r = change_below(fd, de->d_name, device, base, depth + 1, e);
                if (r < 0)
                        return r;
        }
}

int owners_set_attributes(const IdPlan *ids, int userns_fd, int tree_fd, struct mount_attr *attr,
                          Error *e) {
        const unsigned flags = AT_EMPTY_PATH | AT_RECURSIVE;
        _cleanup_fd_ int own = -EBADF;

        if (ids->idmapped) {
                if (ids->from != 0) {
                        IdRanges map = id_ranges_above(&ids->map, ids->from);
                        userns_fd = own = userns_new(&map, &map, e);
                        if (own < 0)
                                return own;
                }
                attr->attr_set |= MOUNT_ATTR_IDMAP;
                attr->userns_fd = (uint64_t) userns_fd;
        }
        if (mount_setattr(tree_fd, "", flags, attr, sizeof *attr) >= 0)
                return 0;
        if (!ids->idmapped || errno != EINVAL)
                return error_set(e, errno, "cannot set up the mount: %m");
        if (!ids->or_chown)
                return error_set(e, EOPNOTSUPP, "its file system cannot map IDs");

        int r = owners_change(tree_fd, ids->base, e);
        if (r < 0)
                return r;
        attr->attr_set &= ~(uint64_t) MOUNT_ATTR_IDMAP;
        return mount_setattr(tree_fd, "", flags, attr, sizeof *attr) < 0
                       ? error_set(e, errno, "cannot set up the mount: %m")
                       : 0;
}

/* One descriptor for each level of the tree. */
static void allow_depth(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

int owners_change(int root_fd, uid_t base, Error *e) {
        _cleanup_fd_ int fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct rlimit limit = {};
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at the root directory: %m");
        uid_t uid = moved(st.st_uid, base);
        gid_t gid = moved(st.st_gid, base);
        if (st.st_uid == uid && st.st_gid == gid)
                return 0;

        int r = change_owner(fd, &st, moved(uid, ID_INTERRUPTED_BASE),
                             moved(gid, ID_INTERRUPTED_BASE), base);
        if (r < 0)
                return error_set(e, r, "cannot change the owner of the root directory: %m");
        (void) getrlimit(RLIMIT_NOFILE, &limit);
        allow_depth();
        r = change_children(fd, st.st_dev, base, 0, e);
        if (limit.rlim_max > 0)
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        if (r >= 0)
                r = change_acls(fd, &st, base);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at the root directory: %m");
        r = change_owner(fd, &st, uid, gid, base);
        return r < 0 ? error_set(e, r, "cannot change the owner of the root directory: %m") : 0;
}
