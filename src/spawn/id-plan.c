/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* User ID ranges of machines: planning and picking. Locks are id-lock.c's, changing owners on a disk is
 * owners.c's, and namespaces are made by userns.c. */
#include "spawn/id-plan.h"

#include <limits.h>

#include "base/parse.h"
#include "base/path.h"
#include "base/siphash.h"
#include "spawn/id-lock.h"

#define TRIES_MAX 100
/* Longest file of the host's that is searched for an ID, bytes. */
#define KNOWN_MAX (16U << 20)

uid_t id_plan_candidate(const char *machine, unsigned n) {
        static const uint8_t key[16] = { 0x5b, 0x1f, 0x88, 0x42, 0xd6, 0x0c, 0x73, 0xe9,
                                         0x24, 0xba, 0x67, 0x90, 0x3e, 0xf5, 0x11, 0xac };
        char text[HOST_NAME_MAX + 16];
        int length = snprintf(text, sizeof text, "%s/%u", machine, n);
        uint64_t hash = siphash24(text, (size_t) length, key);

        return ((uid_t) (hash % (ID_PICK_MAX - ID_PICK_MIN)) + ID_PICK_MIN) & 0xFFFF0000U;
}

bool id_plan_base_is_good(uid_t base) {
        return base >= ID_PICK_MIN && base <= ID_PICK_MAX && (base & 0xFFFF) == 0;
}

uid_t id_plan_disk_base(uid_t uid, gid_t gid) {
        return uid >> 16 == gid >> 16 ? uid & 0xFFFF0000U : 0;
}

/* The ranges that a machine gets. */
static int plan_map(const Spec *spec, uid_t owner_uid, gid_t owner_gid, uid_t base, IdRanges *ret,
                    Error *e) {
        switch (spec->private_users) {
        case PRIVATE_USERS_IDENTITY:
                *ret = id_ranges_one(0, 0, PRIVATE_USERS_RANGE_DEFAULT);
                return 0;
        case PRIVATE_USERS_OWNER:
                if (owner_uid != owner_gid || owner_uid & 0xFFFF)
                        return error_set(e, EINVAL,
                                         "owner %u:%u of the root directory tells no user ID range",
                                         owner_uid, owner_gid);
                *ret = id_ranges_one(0, owner_uid, PRIVATE_USERS_RANGE_DEFAULT);
                return 0;
        case PRIVATE_USERS_PICK:
                *ret = id_ranges_one(0, base, PRIVATE_USERS_RANGE_DEFAULT);
                return 0;
        default:
                *ret = spec->private_users_map;
                return 0;
        }
}

/* Owners on a disk are only ever changed from one range of 65536 to another. */
static bool can_chown(const IdPlan *p) {
        return p->map.n == 1 && p->map.v[0].length == 0x10000 && (p->base & 0xFFFF) == 0 &&
               p->base != ID_FOREIGN_BASE && p->base != ID_INTERRUPTED_BASE;
}

static int plan_owners(const Spec *spec, uid_t owner_uid, gid_t owner_gid, IdPlan *p, Error *e) {
        uid_t disk = id_plan_disk_base(owner_uid, owner_gid);
        Ownership how = spec->ownership;

        if (how == OWNERSHIP_DEFAULT)
                how = spec->private_users == PRIVATE_USERS_PICK ? OWNERSHIP_AUTO : OWNERSHIP_OFF;
        if (disk == ID_INTERRUPTED_BASE && how != OWNERSHIP_CHOWN && how != OWNERSHIP_AUTO)
                return error_set(e, EUCLEAN,
                                 "the owners of its files were being changed when that was"
                                 " interrupted; --private-users-ownership=chown finishes it");
        if (how == OWNERSHIP_FOREIGN && disk != ID_FOREIGN_BASE)
                return error_set(e, EINVAL,
                                 "its root directory belongs to %u, not to the range of foreign"
                                 " images from %u on",
                                 owner_uid, ID_FOREIGN_BASE);
        if (how == OWNERSHIP_CHOWN && !can_chown(p))
                return error_set(e, EINVAL,
                                 "files can only be given to one range of 65536 IDs that begins at"
                                 " a multiple of that; map them");
        if (how == OWNERSHIP_OFF)
                return 0;

        if (how == OWNERSHIP_CHOWN || disk == ID_INTERRUPTED_BASE) {
                p->chown = true;
                return 0;
        }
        /* A root that is owned in the range already is used as it is. */
        p->idmapped = !id_ranges_has_outside(&p->map, owner_uid);
        p->from = p->idmapped ? disk : 0;
        p->or_chown = p->idmapped && how == OWNERSHIP_AUTO && can_chown(p) &&
                      spec_writes_image(spec);
        return 0;
}

int id_plan_make(const Spec *spec, uid_t owner_uid, gid_t owner_gid, uid_t base, IdPlan *ret,
                 Error *e) {
        IdPlan p = { .private = true };
        int r;

        if (spec->private_users == PRIVATE_USERS_NO) {
                *ret = (IdPlan){};
                return 0;
        }
        r = plan_map(spec, owner_uid, owner_gid, base, &p.map, e);
        if (r < 0)
                return r;
        p.groups = spec->private_groups_map.n > 0 ? spec->private_groups_map : p.map;
        if (id_ranges_to_outside(&p.map, 0, &p.base) < 0 ||
            id_ranges_to_outside(&p.groups, 0, &(uint32_t){ 0 }) < 0)
                return error_set(e, EINVAL, "no ID of the host stands for root");
        r = plan_owners(spec, owner_uid, owner_gid, &p, e);
        if (r < 0)
                return r;
        *ret = p;
        return 0;
}

/* Whether field @at of any line, alone or with as many after it as the next field says, is in the range.
 * Only what is written there counts; name services are not asked. */
static bool is_known(const char *file, unsigned at, bool ranges, uid_t base) {
        _cleanup_free_ char *text = NULL;
        char *save = NULL;
        int r = file_read(AT_FDCWD, file, KNOWN_MAX, &text, NULL);

        if (r < 0)
                return r != -ENOENT;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                uint32_t id, n = 1;
                char *field = line, *next;

                for (unsigned i = 0; field && i < at; i++) {
                        field = strchr(field, ':');
                        field = field ? field + 1 : NULL;
                }
                if (!field)
                        continue;
                next = field + strcspn(field, ":");
                if (*next)
                        *next++ = '\0';
                if (parse_u32(field, &id) < 0 || (ranges && parse_u32(next, &n) < 0))
                        continue;
                if ((uint64_t) id + n > base && id < (uint64_t) base + 0x10000)
                        return true;
        }
        return false;
}

static bool is_somebodys(uid_t base) {
        return is_known("/etc/passwd", 2, false, base) || is_known("/etc/group", 2, false, base) ||
               is_known("/etc/subuid", 1, true, base) || is_known("/etc/subgid", 1, true, base);
}

static int try_range(uid_t base, Run *run) {
        if (!id_plan_base_is_good(base))
                return -EAGAIN;
        int r = id_lock_pick(base, run);
        if (r < 0)
                return r;
        if (is_somebodys(base)) {
                id_lock_release(base, run);
                return -EAGAIN;
        }
        run->uid_base = base;
        return 0;
}

static int pick(const Spec *spec, uid_t owner, Run *run, Error *e) {
        int r = try_range(owner, run);

        for (unsigned n = 0; r == -EAGAIN && n < TRIES_MAX; n++)
                r = try_range(id_plan_candidate(spec->machine, n), run);
        if (r == -EAGAIN)
                return error_set(e, EBUSY, "no free user ID range found in %u tries", TRIES_MAX);
        return r < 0 ? error_set(e, r, "cannot lock a user ID range: %m") : 0;
}

static int share(const IdPlan *p, Run *run, Error *e) {
        int r = p->private ? id_lock_share(&p->map, run) : 0;

        if (r == -EAGAIN)
                return error_set(e, EBUSY,
                                 "user IDs from %u on are those of a running machine that picked"
                                 " them for itself",
                                 p->base);
        return r < 0 ? error_set(e, r, "cannot lock the user ID ranges: %m") : 0;
}

int id_plan_apply(const Spec *spec, Run *run, IdPlan *ret, Error *e) {
        bool picks = spec->private_users == PRIVATE_USERS_PICK;
        struct stat st;
        IdPlan p;
        int r;

        if (fstat(run->root_fd, &st) < 0)
                return error_set(e, errno, "cannot look at the root directory: %m");
        if (picks) {
                r = pick(spec, id_plan_disk_base(st.st_uid, st.st_gid), run, e);
                if (r < 0)
                        return r;
        }
        r = id_plan_make(spec, st.st_uid, st.st_gid, run->uid_base, &p, e);
        /* Whoever makes bundles keeps a book of its own. */
        if (r >= 0 && !picks && spec_is_machine(spec))
                r = share(&p, run, e);
        if (r < 0)
                return r;
        run->uid_base = p.base;
        run->ids = p.map;
        *ret = p;
        return 0;
}

void id_plan_release(Run *run) {
        id_lock_release(run->uid_base, run);
}

uid_t id_plan_shown(const IdPlan *p, uid_t id) {
        IdRanges map = id_ranges_above(&p->map, p->from);
        uid_t shown;

        return p->idmapped && id_ranges_to_outside(&map, id, &shown) >= 0 ? shown : id;
}
