/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metadata of archive entries, see tar-entry.h. Writes nothing to disk. */
#include "importer/tar-entry.h"

#include <archive.h>
#include <endian.h>
#include <limits.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/text.h"

static int read_xattrs(struct archive_entry *entry, TreeMeta *m) {
        const char *name;
        const void *value;
        size_t size;
        int n = archive_entry_xattr_reset(entry);

        while (n-- > 0 && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
                int r = tree_meta_add_xattr(m, name, value, size);
                if (r < 0)
                        return r;
        }
        return 0;
}

#define ESCAPED_MAX 512 /* more names than that are taken as they are */

/* Undoes "%3D" and its like. Return: the plain name; NULL = out of memory. */
static char *plain_name(const char *name) {
        char *plain = strdup(name), *to = plain;

        for (const char *p = name; plain && *p; p++) {
                int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;

                if (low >= 0 && high * 16 + low > 0) {
                        *to++ = (char) (high * 16 + low);
                        p += 2;
                } else
                        *to++ = *p;
        }
        if (plain)
                *to = '\0';
        return plain;
}

/* Another attribute of this name with the same value. */
static bool has_twin(const TreeMeta *m, size_t i, char *const *names, const char *wanted) {
        for (size_t j = 0; j < m->n_xattrs; j++)
                if (j != i && streq(names[j], wanted) && m->xattrs[j].size == m->xattrs[i].size &&
                    memcmp(m->xattrs[j].value, m->xattrs[i].value, m->xattrs[i].size) == 0)
                        return true;
        return false;
}

/* Archivers write a name with "=" in it as one with "%3D", libarchive in one of the two forms that it writes each
 * attribute in; but it reads both as they are. So the one whose plain name is there is the same once more, the one
 * that is the plain name of another is right, and one alone is taken for its plain name. */
static int make_names_plain(TreeMeta *m) {
        char *plain[ESCAPED_MAX] = {}, *names[ESCAPED_MAX];
        size_t n = m->n_xattrs, kept = 0;
        bool some = false;
        int r = 0;

        for (size_t i = 0; i < n; i++)
                some = some || strchr(m->xattrs[i].name, '%');
        if (!some || n > ESCAPED_MAX)
                return 0;
        for (size_t i = 0; i < n; i++) {
                names[i] = m->xattrs[i].name;
                plain[i] = plain_name(names[i]);
                r = plain[i] ? r : -ENOMEM;
        }
        bool drops[ESCAPED_MAX] = {}, renames[ESCAPED_MAX] = {};
        for (size_t i = 0; i < n && r >= 0; i++) {
                bool escaped = !streq(plain[i], names[i]);
                drops[i] = escaped && has_twin(m, i, names, plain[i]);
                renames[i] = escaped && !drops[i] && !has_twin(m, i, plain, names[i]);
        }
        for (size_t i = 0; i < n && r >= 0; i++) {
                TreeXattr x = m->xattrs[i];

                if (renames[i]) {
                        free(x.name);
                        x.name = TAKE_PTR(plain[i]);
                }
                if (!drops[i]) {
                        m->xattrs[kept++] = x;
                        continue;
                }
                free(x.name);
                free(x.value);
        }
        m->n_xattrs = r < 0 ? n : kept;
        for (size_t i = 0; i < n; i++)
                free(plain[i]);
        return r;
}

/* An ACL as the kernel takes it in system.posix_acl_*: version 2, little endian. */
typedef struct AclEntry {
        uint16_t tag, perm;
        uint32_t id;
} AclEntry;

/* The kernel wants them in this order. */
static const struct {
        int tag;
        uint16_t kernel;
        bool named;
} acl_tags[] = {
        { ARCHIVE_ENTRY_ACL_USER_OBJ, 0x01, false },  { ARCHIVE_ENTRY_ACL_USER, 0x02, true },
        { ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04, false }, { ARCHIVE_ENTRY_ACL_GROUP, 0x08, true },
        { ARCHIVE_ENTRY_ACL_MASK, 0x10, false },      { ARCHIVE_ENTRY_ACL_OTHER, 0x20, false },
};

/* Collects the entries of one tag. */
static int collect_acl(struct archive_entry *entry, int type, size_t row, Buf *b,
                       TreeSkipped *skipped) {
        int perm, tag, id, of_type, r = 0;
        const char *name;

        (void) archive_entry_acl_reset(entry, type);
        while (r >= 0 && archive_entry_acl_next(entry, type, &of_type, &perm, &tag, &id, &name) ==
                                 ARCHIVE_OK) {
                if (tag != acl_tags[row].tag)
                        continue;
                if (acl_tags[row].named && id < 0) {
                        skipped->acls++;
                        continue;
                }
                AclEntry a = {
                        .tag = htole16(acl_tags[row].kernel),
                        .perm = htole16((uint16_t) (perm & 7)),
                        .id = htole32(acl_tags[row].named ? (uint32_t) id : UINT32_MAX),
                };
                r = buf_append(b, &a, sizeof a);
        }
        return r;
}

static int read_acl(struct archive_entry *entry, int type, const char *name, TreeMeta *m,
                    TreeSkipped *skipped) {
        _cleanup_(buf_done) Buf b = {};
        uint32_t version = htole32(2);

        if (archive_entry_acl_reset(entry, type) == 0)
                return 0;

        int r = buf_append(&b, &version, sizeof version);
        for (size_t i = 0; i < ELEMENTSOF(acl_tags) && r >= 0; i++)
                r = collect_acl(entry, type, i, &b, skipped);
        return r < 0 ? r : tree_meta_add_xattr(m, name, b.p, b.n);
}

static bool id_is_valid(int64_t id) {
        return id >= 0 && id < UINT32_MAX;
}

int tar_entry_meta(struct archive_entry *entry, TreeMeta *ret, TreeSkipped *skipped, Error *e) {
        int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
        long nsec = archive_entry_mtime_nsec(entry);
        _cleanup_(tree_meta_done) TreeMeta m = {
                .mode = archive_entry_perm(entry) & 07777,
                .uid = (uid_t) uid,
                .gid = (gid_t) gid,
                .mtime = { .tv_sec = archive_entry_mtime(entry),
                           .tv_nsec = nsec >= 0 && nsec < 1000000000 ? nsec : 0 },
        };

        if (!id_is_valid(uid) || !id_is_valid(gid))
                return error_set(e, ERANGE, "its owner %lld:%lld is not a valid one",
                                 (long long) uid, (long long) gid);

        int r = read_xattrs(entry, &m);
        if (r >= 0)
                r = make_names_plain(&m);
        if (r >= 0)
                r = read_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", &m,
                             skipped);
        if (r >= 0 && archive_entry_filetype(entry) == AE_IFDIR)
                r = read_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", &m,
                             skipped);
        if (r < 0)
                return error_oom(e);

        *ret = m;
        m = (TreeMeta){};
        return 0;
}

#define XATTR_NAMES_MAX (64 * 1024)

/* As tar has them: tag by tag, which unpackers put in the kernel's order again. */
static int set_acl(struct archive_entry *entry, int type, const char *value, size_t n) {
        const size_t header = sizeof(uint32_t);

        if (n < header || (n - header) % sizeof(AclEntry) != 0)
                return -EBADMSG;
        for (size_t at = header; at < n; at += sizeof(AclEntry)) {
                AclEntry a;
                size_t row = 0;

                memcpy(&a, value + at, sizeof a);
                while (row < ELEMENTSOF(acl_tags) && acl_tags[row].kernel != le16toh(a.tag))
                        row++;
                if (row == ELEMENTSOF(acl_tags))
                        return -EBADMSG;
                if (archive_entry_acl_add_entry(entry, type, le16toh(a.perm), acl_tags[row].tag,
                                                acl_tags[row].named ? (int) le32toh(a.id) : -1,
                                                NULL) != ARCHIVE_OK)
                        return -ENOMEM;
        }
        return 0;
}

/* libarchive has a signed number for users. */
static bool acl_fits(const char *value, size_t n) {
        for (size_t at = sizeof(uint32_t); at + sizeof(AclEntry) <= n; at += sizeof(AclEntry)) {
                AclEntry a;

                memcpy(&a, value + at, sizeof a);
                if (le32toh(a.id) > INT_MAX && le32toh(a.id) != UINT32_MAX)
                        return false;
        }
        return true;
}

static int set_xattr(struct archive_entry *entry, const char *name, const char *value, size_t n) {
        if (streq(name, "system.posix_acl_access") && acl_fits(value, n))
                return set_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, value, n);
        if (streq(name, "system.posix_acl_default") && acl_fits(value, n))
                return set_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, value, n);
        archive_entry_xattr_add_entry(entry, name, value, n);
        return 0;
}

int tar_entry_read_xattrs(struct archive_entry *entry, int dir_fd, const char *name) {
        char path[FD_PATH_MAX + NAME_MAX + 2], buffer[FD_PATH_MAX], names[1024];
        _cleanup_free_ char *more = NULL, *value = NULL;
        const char *list = names;
        int r = 0;

        (void) snprintf(path, sizeof path, "%s/%s", fd_path(dir_fd, buffer), name);
        ssize_t n = llistxattr(path, names, sizeof names);
        if (n < 0 && errno == ERANGE) {
                list = more = malloc(XATTR_NAMES_MAX);
                n = more ? llistxattr(path, more, XATTR_NAMES_MAX) : -1;
        }
        if (n < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;
        if (n > 0 && !(value = malloc(XATTR_SIZE_MAX)))
                return -ENOMEM;
        for (const char *p = list; p < list + n && r >= 0; p += strlen(p) + 1) {
                ssize_t k = lgetxattr(path, p, value, XATTR_SIZE_MAX);

                if (k < 0 && errno != ENODATA)
                        return -errno;
                if (k >= 0)
                        r = set_xattr(entry, p, value, (size_t) k);
        }
        return r;
}
