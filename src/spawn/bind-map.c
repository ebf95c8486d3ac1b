/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ID maps of bind mounts, see bind-map.h. Those of the image's own mounts are owners.c's. */
#include "spawn/bind-map.h"

#include <sys/mount.h>
#include <sys/statvfs.h>

#include "base/path.h"
#include "spawn/userns.h"

/* Host's ID of who owns something in the image, whose files may be in the machine's range already. */
static uid_t shown_id(const Run *run, uid_t id) {
        uid_t shown;

        return !id_ranges_has_outside(&run->ids, id) &&
                               id_ranges_to_outside(&run->ids, id, &shown) >= 0
                       ? shown
                       : id;
}

/* IDs up to here are people of the host. */
#define HOST_IDS_END 0x10000U

/* Adds the IDs of a range onto themselves, but for two that stand for others. */
static int add_others(IdRanges *map, const IdRange *range, uint32_t one, uint32_t other) {
        uint32_t at = MAX(range->outside, HOST_IDS_END), end = range->outside + range->length;
        const uint32_t gaps[] = { MIN(one, other), MAX(one, other) };

        for (size_t i = 0; i < ELEMENTSOF(gaps) && at < end; i++) {
                if (gaps[i] < at || gaps[i] >= end)
                        continue;
                int r = gaps[i] > at ? id_ranges_add(map, at, at, gaps[i] - at, NULL) : 0;
                if (r < 0)
                        return r;
                at = gaps[i] + 1;
        }
        return at < end ? id_ranges_add(map, at, at, end - at, NULL) : 0;
}

/* One ID of the disk is one of the machine. What the machine's other users make belongs on the disk to
 * the host's IDs that are theirs, as it would without a map; without them the kernel would let them make
 * nothing at all. IDs that are the host's own stay nobody's. */
static IdRanges owner_map(const Run *run, uint32_t from, uint32_t to) {
        IdRanges map = id_ranges_one(from, to, 1);

        for (size_t i = 0; i < run->ids.n; i++)
                if (add_others(&map, run->ids.v + i, from, to) < 0)
                        return id_ranges_one(from, to, 1); /* too many pieces */
        return map;
}

/* Maps the user and the group that own a source: to root inside, or to whoever owns the mount point. */
static int owner_userns(const MountItem *m, int fd, int target_fd, const char *name, const Run *run,
                        Error *e) {
        struct stat source, target = {};

        if (fstat(fd, &source) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", m->source);
        if (m->idmap == MOUNT_IDMAP_OWNER &&
            fstatat(target_fd, name, &target, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", m->target);
        IdRanges uids = owner_map(run, source.st_uid, shown_id(run, target.st_uid));
        IdRanges gids = owner_map(run, source.st_gid, shown_id(run, target.st_gid));
        return userns_new(&uids, &gids, e);
}

int bind_map_apply(const MountItem *m, int fd, int target_fd, const char *name, const Run *run,
                   Error *e) {
        const IdRanges all = id_ranges_one(0, 0, PRIVATE_USERS_RANGE_DEFAULT);
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
        _cleanup_fd_ int own = -EBADF;
        int userns = run->userns_fd;

        if (m->idmap != MOUNT_IDMAP_ALL)
                userns = own = owner_userns(m, fd, target_fd, name, run, e);
        else if (run->ids.n == 0)
                userns = own = userns_new(&all, &all, e);
        if (userns < 0)
                return userns;

        attr.userns_fd = (uint64_t) userns;
        if (mount_setattr(fd, "", AT_EMPTY_PATH | (m->flags & MOUNT_RECURSIVE ? AT_RECURSIVE : 0),
                          &attr, sizeof attr) >= 0)
                return 0;
        if (errno == EINVAL)
                return error_set(e, EOPNOTSUPP, "the file system of '%s'%s cannot map IDs",
                                 m->source,
                                 m->flags & MOUNT_RECURSIVE ? ", or one mounted in it," : "");
        if (errno == EPERM)
                return error_set(e, EPERM, "'%s' is mapped already", m->source);
        return error_set(e, errno, "cannot map the owners of '%s': %m", m->source);
}

bool bind_map_is_open(const char *path) {
        _cleanup_free_ char *prefix = strdup(path);
        struct statvfs fs;
        struct stat st;

        if (!prefix || statvfs(path, &fs) < 0 || fs.f_flag & ST_NOSUID)
                return false;
        for (char *p = prefix; *p; p++) {
                char end = p[1];

                if (end != '/' && end != '\0')
                        continue;
                p[1] = '\0';
                if (stat(prefix, &st) < 0 || !(st.st_mode & S_IXOTH))
                        return S_ISREG(st.st_mode) && end == '\0';
                p[1] = end;
        }
        return true;
}

/* Whether the machine writes to a bind as the host's root. */
static bool writes_as_root(const MountItem *m) {
        struct stat st;

        if (m->type != MOUNT_HOST || !*m->source || m->attributes & MOUNT_ATTR_RDONLY)
                return false;
        if (m->idmap == MOUNT_IDMAP_ALL)
                return true;
        return (m->idmap == MOUNT_IDMAP_ROOT || m->idmap == MOUNT_IDMAP_OWNER) &&
               stat(m->source, &st) >= 0 && st.st_uid == 0;
}

int bind_map_note_path(const char *path, Buf *notes) {
        if (!bind_map_is_open(path))
                return 0;
        return buf_printf(notes,
                          "every user of the host can get at '%s', and run what the machine makes"
                          " setuid there as root; close a folder on the way to it (mode 0700), or"
                          " mount it nosuid\n",
                          path);
}

int bind_map_note(const MountPlan *plan, const Run *run, Buf *notes) {
        int r = 0;

        /* Without users of its own, the machine's root is the host's in any case. */
        for (size_t i = 0; i < plan->n && run->ids.n > 0 && r >= 0; i++)
                if (writes_as_root(plan->items + i))
                        r = bind_map_note_path(plan->items[i].source, notes);
        return r;
}
