/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal of a machine on the host, see journal-link.h. Journals lie in /var/log/journal/ID, in the
 * machine as on the host, so that readers on the host find one beside the other. Whether the host keeps
 * journals there at all is for the host to say: /var/log/journal is never made. */
#include "spawn/journal-link.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/mount.h"
#include "spawn/userns.h"

#define JOURNALS "/var/log/journal"

typedef struct Journal {
        const Spec *spec;
        const Run *run;
        char path[sizeof JOURNALS + ID128_TEXT_MAX]; /* on both sides */
        bool is_there;                               /* the host has something of that name */
        mode_t mode;                                 /* of that */
} Journal;

bool journal_link_wants(const Spec *spec) {
        return spec->link_journal != LINK_JOURNAL_NO && !spec->ephemeral;
}

static bool only_tries(const Spec *spec) {
        return spec->link_journal == LINK_JOURNAL_AUTO ||
               spec->link_journal == LINK_JOURNAL_TRY_HOST ||
               spec->link_journal == LINK_JOURNAL_TRY_GUEST;
}

/* Makes the folder inside, along no symlink: the host is to follow the same path.
 * Return: an O_PATH descriptor or -errno. */
static int make_inside(const Journal *j, Error *e) {
        uid_t uid = j->run->uid_base;
        int r = uid == 0 ? 0 : mount_act_as(uid), fd = -EBADF;

        if (r >= 0)
                r = fd = path_mkdirs_in_root(j->run->root_fd, j->path, 0755, uid, uid);
        if (uid != 0)
                (void) mount_act_as(0);
        if (r >= 0) {
                (void) fd_close(fd);
                r = fd = path_open_beneath(j->run->root_fd, j->path + 1, O_PATH | O_DIRECTORY, 0);
        }
        return r < 0 ? error_set(e, r, "cannot make '%s' in the image: %m", j->path) : fd;
}

/* What the machine writes to must be what the host's link leads to, and not hidden under a mount. */
static int check_same(const Journal *j, int inside_fd, Error *e) {
        _cleanup_fd_ int image = open(j->spec->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_fd_ int fd = image < 0 ? -errno
                                        : path_open_beneath(image, j->path + 1,
                                                            O_PATH | O_DIRECTORY, 0);
        struct stat there, inside;

        if (fd < 0)
                return error_set(e, fd, "cannot open '%s%s': %m", j->spec->directory, j->path);
        if (fstat(fd, &there) < 0 || fstat(inside_fd, &inside) < 0)
                return error_set(e, errno, "cannot look at '%s' of the image: %m", j->path);
        if (there.st_dev != inside.st_dev || there.st_ino != inside.st_ino)
                return error_set(e, EXDEV, "'%s' of the machine is not in '%s'", j->path,
                                 j->spec->directory);
        return 0;
}

/* Takes away what bars the place on the host: a link to somewhere else, an empty folder. */
static int clear_place(Journal *j, Error *e) {
        if (!j->is_there)
                return 0;
        if (!S_ISLNK(j->mode) && !S_ISDIR(j->mode))
                return error_set(e, EEXIST, "'%s' is neither a link nor a folder", j->path);
        if ((S_ISLNK(j->mode) ? unlink(j->path) : rmdir(j->path)) < 0)
                return error_set(e, errno, "cannot replace '%s': %m", j->path);
        j->is_there = false;
        return 0;
}

static bool leads_to(const Journal *j, const char *target) {
        char now[PATH_MAX];
        ssize_t n = readlink(j->path, now, sizeof now);

        return n == (ssize_t) strlen(target) && memcmp(now, target, (size_t) n) == 0;
}

static int apply_guest(Journal *j, Error *e) {
        bool automatic = j->spec->link_journal == LINK_JOURNAL_AUTO;

        if (!j->spec->directory)
                return automatic
                               ? 0
                               : error_set(e, EOPNOTSUPP,
                                           "the host sees no files in a disk image; its journal can"
                                           " only be kept on the host (--link-journal=host)");
        _cleanup_free_ char *target = path_join(j->spec->directory, j->path);
        if (!target)
                return error_oom(e);
        bool linked = j->is_there && S_ISLNK(j->mode) && leads_to(j, target);
        if (automatic && !linked)
                return 0; /* of another image with the same ID */
        _cleanup_fd_ int inside = make_inside(j, e);
        if (inside < 0)
                return inside;
        int r = check_same(j, inside, e);
        if (r < 0 || linked)
                return r;
        r = clear_place(j, e);
        if (r >= 0 && symlink(target, j->path) < 0)
                return error_set(e, errno, "cannot make the link '%s': %m", j->path);
        return r;
}

/* Root inside is to own what the host's root does. */
static int map_owner(const Journal *j, int tree, Error *e) {
        uid_t base = j->run->uid_base;
        struct stat st;

        if (base == 0)
                return 0;
        if (fstat(tree, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", j->path);
        _cleanup_fd_ int userns = userns_new_owner(st.st_uid, base, st.st_gid, base, e);
        if (userns < 0)
                return userns;
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) userns };
        if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return error_set(e, errno == EINVAL ? EOPNOTSUPP : errno,
                                 "cannot map the owner of '%s': %m", j->path);
        return 0;
}

static int apply_host(Journal *j, Error *e) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                               MOUNT_ATTR_NOEXEC,
                                   .propagation = MS_PRIVATE };
        int r = j->is_there && S_ISDIR(j->mode) ? 0 : clear_place(j, e);

        if (r < 0)
                return r;
        if (!j->is_there && mkdir(j->path, 0755) < 0)
                return error_set(e, errno, "cannot make '%s': %m", j->path);
        _cleanup_fd_ int inside = make_inside(j, e);
        if (inside < 0)
                return inside;
        _cleanup_fd_ int tree = open_tree(AT_FDCWD, j->path,
                                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                                                  AT_SYMLINK_NOFOLLOW);
        if (tree < 0)
                return error_set(e, errno, "cannot open '%s' to bind it: %m", j->path);
        r = map_owner(j, tree, e);
        if (r >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                r = -errno;
        if (r >= 0)
                r = mount_attach(tree, inside);
        return r < 0 && !error_is_set(e) ? error_set(e, r, "cannot bind '%s': %m", j->path) : r;
}

/* A machine that has the host's ID would get the host's own journal. */
static int check_id(const Journal *j, Error *e) {
        _cleanup_free_ char *line = NULL;
        Id128 host;

        if (file_read_line(AT_FDCWD, "/etc/machine-id", &line) >= 0 &&
            id128_parse(line, &host) >= 0 && id128_equal(&host, &j->run->uuid))
                return error_set(e, EEXIST, "the machine has the ID of the host, '%s'", line);
        return 0;
}

static int apply(Journal *j, Error *e) {
        int r = check_id(j, e);

        if (r < 0)
                return r;
        switch (j->spec->link_journal) {
        case LINK_JOURNAL_AUTO:
                return S_ISDIR(j->mode) ? apply_host(j, e) : apply_guest(j, e);
        case LINK_JOURNAL_GUEST:
        case LINK_JOURNAL_TRY_GUEST:
                return apply_guest(j, e);
        default:
                return apply_host(j, e);
        }
}

int journal_link_apply(const Spec *spec, const Run *run, Error *e) {
        Journal j = { .spec = spec, .run = run };
        char id[ID128_TEXT_MAX];
        Error problem = {};
        struct stat st;

        (void) snprintf(j.path, sizeof j.path, JOURNALS "/%s", id128_format(&run->uuid, id));
        j.is_there = lstat(j.path, &st) >= 0;
        if (j.is_there)
                j.mode = st.st_mode;
        else if (spec->link_journal == LINK_JOURNAL_AUTO)
                return 0;
        int r = apply(&j, &problem);
        if (r >= 0 || only_tries(spec))
                return 0;
        if (e)
                *e = problem;
        return r;
}
