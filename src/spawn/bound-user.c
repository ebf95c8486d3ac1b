/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users of the host inside a machine, see bound-user.h. Both folders are small file systems of their own,
 * read-only once they are filled, so that nothing of the image is in the way. */
#include "spawn/bound-user.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "app/table.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/path.h"
#include "spawn/mount.h"
#include "spawn/users.h"
#include "spawn/userns.h"

#define CLONE_TREE (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
#define HOMES      "/run/host/home"
#define RECORDS    "/run/host/userdb"
#define SERVICE    "io.systemd.NSpawn"

BoundUsers *bound_users_free(BoundUsers *b) {
        for (size_t i = 0; b && i < b->n; i++) {
                host_user_done(&b->list[i].host);
                (void) fd_close(b->list[i].home_fd);
        }
        if (b)
                free(b->list);
        free(b);
        return NULL;
}

/* Whether a line of a passwd or group file begins with @name, or has @id for its third field. */
static bool is_taken(const char *text, const char *name, uid_t id) {
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                size_t n = strcspn(line, ":\n"), at = n;
                char number[16] = "";
                uid_t found;

                if (name && n == strlen(name) && strncmp(line, name, n) == 0)
                        return true;
                if (line[at] != ':')
                        continue;
                at += 1 + strcspn(line + at + 1, ":\n");
                if (line[at] != ':')
                        continue;
                n = strcspn(line + at + 1, ":\n");
                if (n >= sizeof number)
                        continue;
                memcpy(number, line + at + 1, n);
                if (!name && parse_uid(number, &found) >= 0 && found == id)
                        return true;
        }
        return false;
}

int bound_users_assign(BoundUsers *b, const char *passwd, const char *group, const IdRanges *ids,
                       Error *e) {
        uid_t next = BOUND_USER_MIN;

        for (size_t i = 0; i < b->n; i++) {
                const char *name = b->list[i].host.name;
                bool mapped = false;
                uint32_t outside;

                for (size_t j = 0; j < i; j++)
                        if (streq(b->list[j].host.name, name))
                                return error_set(e, EINVAL, "user '%s' is named twice", name);
                if (is_taken(passwd, name, 0) || is_taken(group, name, 0))
                        return error_set(e, EBUSY,
                                         "the image has a user or group '%s' of its own already",
                                         name);
                for (; next <= BOUND_USER_MAX; next++) {
                        bool has = id_ranges_to_outside(ids, next, &outside) >= 0;

                        mapped = mapped || has;
                        if (has && !is_taken(passwd, NULL, next) && !is_taken(group, NULL, next))
                                break;
                }
                if (next > BOUND_USER_MAX)
                        return error_set(e, mapped || i > 0 ? EBUSY : ENXIO,
                                         "%s none of the user IDs from %u to %u for '%s'",
                                         mapped || i > 0 ? "the image leaves" : "the machine has",
                                         BOUND_USER_MIN, BOUND_USER_MAX, name);
                b->list[i].uid = next++;
        }
        return 0;
}

static int put_member(Buf *out, const char *name, const char *value) {
        int r = buf_printf(out, ",\"%s\":", name);

        return r < 0 ? r : json_puts(out, value);
}

static int put_strings(Buf *out, bool first, const char *name, char *const *values) {
        int r = buf_printf(out, "%s\"%s\":[", first ? "" : ",", name);

        STRV_FOREACH(v, values) {
                if (r >= 0 && v != values)
                        r = buf_puts(out, ",");
                if (r >= 0)
                        r = json_puts(out, *v);
        }
        return r < 0 ? r : buf_puts(out, "]");
}

static int format_user(const BoundUser *u, const char *shell, Buf *out) {
        int r = buf_puts(out, "{\"userName\":");

        if (r >= 0)
                r = json_puts(out, u->host.name);
        if (r >= 0 && u->host.real_name && *u->host.real_name)
                r = put_member(out, "realName", u->host.real_name);
        if (r >= 0)
                r = buf_printf(out, ",\"uid\":%u,\"gid\":%u,\"disposition\":\"regular\"", u->uid,
                               u->uid);
        if (r >= 0)
                r = buf_printf(out, ",\"homeDirectory\":\"" HOMES "/%s\"", u->host.name);
        if (r >= 0 && shell)
                r = put_member(out, "shell", shell);
        return r < 0 ? r : buf_puts(out, ",\"service\":\"" SERVICE "\"}\n");
}

static int format_privileged(const BoundUser *u, Buf *out) {
        int r = buf_puts(out, "{\"privileged\":{");

        if (r >= 0 && u->host.passwords)
                r = put_strings(out, true, "hashedPassword", u->host.passwords);
        if (r >= 0 && u->host.ssh_keys)
                r = put_strings(out, !u->host.passwords, "sshAuthorizedKeys", u->host.ssh_keys);
        return r < 0 ? r : buf_puts(out, "}}\n");
}

int bound_user_format(const BoundUser *u, const char *shell, const char *which, Buf *out) {
        if (streq(which, "user"))
                return format_user(u, shell, out);
        if (streq(which, "user-privileged"))
                return format_privileged(u, out);
        return buf_printf(out,
                          "{\"groupName\":\"%s\",\"gid\":%u,\"disposition\":\"regular\","
                          "\"service\":\"" SERVICE "\"}\n",
                          u->host.name, u->uid);
}

/* Whose home is not the user's own would give the machine somebody else's files. */
static int open_home(BoundUser *u, Error *e) {
        const HostUser *h = &u->host;
        struct stat st;

        u->home_fd = open_tree(AT_FDCWD, h->home, CLONE_TREE | AT_RECURSIVE);
        if (u->home_fd < 0 || fstat(u->home_fd, &st) < 0)
                return error_set(e, errno, "cannot open the home '%s' of user '%s': %m", h->home,
                                 h->name);
        if (!S_ISDIR(st.st_mode))
                return error_set(e, ENOTDIR, "the home '%s' of user '%s' is not a directory",
                                 h->home, h->name);
        if (st.st_uid != h->uid)
                return error_set(e, EPERM,
                                 "the home '%s' of user '%s' belongs to user %u, not to %u",
                                 h->home, h->name, st.st_uid, h->uid);
        return 0;
}

int bound_users_read(const Spec *spec, Run *run, Error *e) {
        _cleanup_(bound_users_freep) BoundUsers *b = calloc(1, sizeof *b);
        _cleanup_free_ char *passwd = NULL, *group = NULL;
        int r;

        if (b)
                b->list = calloc(strv_length(spec->bind_users), sizeof *b->list);
        if (!b || !b->list)
                return error_oom(e);
        STRV_FOREACH(name, spec->bind_users) {
                BoundUser *u = b->list + b->n;

                u->home_fd = -EBADF;
                r = host_user_find("", *name, &u->host, e);
                if (r < 0)
                        return r;
                b->n++;
        }
        r = users_read_file(run->root_fd, "/etc/passwd", &passwd, e);
        if (r >= 0)
                r = users_read_file(run->root_fd, "/etc/group", &group, e);
        if (r >= 0)
                r = bound_users_assign(b, passwd, group, &run->ids, e);
        for (size_t i = 0; i < b->n && r >= 0; i++)
                r = open_home(b->list + i, e);
        if (r < 0)
                return r;
        (void) bound_users_free(run->bound_users);
        run->bound_users = TAKE_PTR(b);
        return 0;
}

/* A file system for one folder of /run/host. */
static int new_folder(uid_t root, Error *e) {
        char options[80];

        (void) snprintf(options, sizeof options, "mode=0755,size=4m,nr_inodes=1k,uid=%u,gid=%u",
                        root, root);
        return mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                         e);
}

/* Shows what @fd holds at a folder that the plan has put there. */
static int show_folder(int fd, const char *path, int root_fd, Error *e) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
        _cleanup_fd_ int target = path_open_beneath(root_fd, path + 1, O_PATH | O_DIRECTORY, 0);
        int r = target;

        if (r >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                r = -errno;
        if (r >= 0)
                r = mount_attach(fd, target);
        return r < 0 ? error_set(e, r, "cannot show '%s': %m", path) : 0;
}

static int write_file(int fd, const char *name, const char *text, mode_t mode, uid_t root) {
        int r = file_write(fd, name, text, O_CREAT | O_EXCL | O_NOFOLLOW, mode);

        if (r >= 0 && fchownat(fd, name, root, root, AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        return r;
}

/* A record, and the link by which it is found from the number. */
static int write_record(const BoundUser *u, const char *shell, const char *which, int fd,
                        uid_t root) {
        _cleanup_free_ char *file = str_format("%s.%s", u->host.name, which),
                            *link = str_format("%u.%s", u->uid, which);
        _cleanup_(buf_done) Buf text = {};
        int r = file && link ? bound_user_format(u, shell, which, &text) : -ENOMEM;

        if (r >= 0)
                r = write_file(fd, file, text.p, streq(which, "user-privileged") ? 0600 : 0644,
                               root);
        if (r >= 0 && (symlinkat(file, fd, link) < 0 ||
                       fchownat(fd, link, root, root, AT_SYMLINK_NOFOLLOW) < 0))
                r = -errno;
        if (text.p)
                explicit_bzero(text.p, text.n);
        return r;
}

static int write_memberships(const BoundUser *u, char *const *groups, int fd, uid_t root) {
        STRV_FOREACH(group, groups) {
                _cleanup_free_ char *name = str_format("%s:%s.membership", u->host.name, *group);
                _cleanup_free_ char *text = str_format(
                        "{\"userName\":\"%s\",\"groupName\":\"%s\"}\n", u->host.name, *group);
                int r = name && text ? write_file(fd, name, text, 0644, root) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int write_records(const Spec *spec, const BoundUsers *b, uid_t root, int root_fd, Error *e) {
        static const char *const kinds[] = { "user", "user-privileged", "group" };
        const char *wanted = spec->bind_user_shell;
        int fd = new_folder(root, e), r = fd;

        for (size_t i = 0; i < b->n && r >= 0; i++) {
                const BoundUser *u = b->list + i;
                const char *shell = wanted && streq(wanted, "yes") ? u->host.shell : wanted;

                for (size_t j = 0; j < ELEMENTSOF(kinds) && r >= 0; j++)
                        r = write_record(u, shell, kinds[j], fd, root);
                if (r >= 0)
                        r = write_memberships(u, spec->bind_user_groups, fd, root);
                if (r < 0)
                        (void) error_set(e, r, "cannot write the record of user '%s': %m",
                                         u->host.name);
        }
        if (r >= 0)
                r = show_folder(fd, RECORDS, root_fd, e);
        (void) fd_close(fd);
        return r;
}

/* Files of the user are the user's inside, all others nobody's. */
static int map_home(const BoundUser *u, const IdRanges *ids, Error *e) {
        struct mount_attr attr = {
                .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                .propagation = MS_PRIVATE,
        };
        const HostUser *h = &u->host;
        uint32_t outside;

        if (id_ranges_to_outside(ids, u->uid, &outside) < 0)
                return error_set(e, ENXIO, "the machine has no user %u", u->uid);
        _cleanup_fd_ int userns = userns_new_owner(h->uid, outside, h->gid, outside, e);
        if (userns < 0)
                return userns;
        attr.userns_fd = (uint64_t) userns;
        if (mount_setattr(u->home_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) >= 0)
                return 0;
        return errno == EINVAL ? error_set(e, EOPNOTSUPP,
                                           "the file system of '%s', or one mounted in it, cannot"
                                           " map IDs",
                                           h->home)
                               : error_set(e, errno, "cannot map the owner of '%s': %m", h->home);
}

static int show_homes(const BoundUsers *b, Run *run, Error *e) {
        uid_t root = run->uid_base;
        _cleanup_fd_ int fd = new_folder(root, e);
        int r = fd;

        for (size_t i = 0; i < b->n && r >= 0; i++) {
                const char *name = b->list[i].host.name;
                if (mkdirat(fd, name, 0755) < 0 || fchownat(fd, name, root, root, 0) < 0)
                        r = error_set(e, errno, "cannot make '" HOMES "/%s': %m", name);
        }
        if (r >= 0)
                r = show_folder(fd, HOMES, run->root_fd, e);
        for (size_t i = 0; i < b->n && r >= 0; i++) {
                r = map_home(b->list + i, &run->ids, e);
                if (r < 0)
                        break;
                r = mount_attach_at(b->list[i].home_fd, fd, b->list[i].host.name);
                if (r < 0)
                        (void) error_set(e, r, "cannot show the home of '%s': %m",
                                         b->list[i].host.name);
        }
        return r;
}

int bound_users_apply(const Spec *spec, Run *run, Error *e) {
        const BoundUsers *b = run->bound_users;
        int r = show_homes(b, run, e);

        return r < 0 ? r : write_records(spec, b, run->uid_base, run->root_fd, e);
}
