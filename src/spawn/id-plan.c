/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* User ID ranges of machines: planning, picking and locking. Making the namespace is not done here. */
#include "spawn/id-plan.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/path.h"
#include "base/siphash.h"

#define TRIES_MAX 100

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

static int check_range(uid_t base, uint32_t range, Error *e) {
        if (range == 0 || (uint64_t) base + range > UINT32_MAX)
                return error_set(e, EINVAL, "user ID range %u:%u does not fit", base, range);
        return 0;
}

int id_plan_make(const Spec *spec, uid_t owner_uid, gid_t owner_gid, uid_t base, IdPlan *ret,
                 Error *e) {
        IdPlan p = { .private = true, .range = PRIVATE_USERS_RANGE_DEFAULT };

        switch (spec->private_users) {
        case PRIVATE_USERS_NO:
                *ret = (IdPlan){};
                return 0;
        case PRIVATE_USERS_IDENTITY:
                break;
        case PRIVATE_USERS_OWNER:
                if (owner_uid != owner_gid || owner_uid & 0xFFFF)
                        return error_set(e, EINVAL,
                                         "owner %u:%u of the root directory tells no user ID range",
                                         owner_uid, owner_gid);
                p.base = owner_uid;
                break;
        case PRIVATE_USERS_PICK:
                p.base = base;
                break;
        default:
                p.base = spec->private_users_base;
                p.range = spec->private_users_range;
        }

        /* A root that is owned in the range already is used as it is, whatever was asked for. */
        bool shifted = owner_uid >= p.base && owner_uid - p.base < p.range;
        p.idmapped = !shifted && (spec->ownership == OWNERSHIP_MAP ||
                                  (spec->ownership == OWNERSHIP_AUTO &&
                                   spec->private_users == PRIVATE_USERS_PICK));
        if (check_range(p.base, p.range, e) < 0)
                return -EINVAL;
        *ret = p;
        return 0;
}

/* Whether the host's own files give any ID of the range to somebody. Only what is written there
 * counts; name services are not asked. */
static bool is_known(const char *file, uid_t base) {
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (file_read(AT_FDCWD, file, 1 << 20, &text, NULL) < 0)
                return false;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *id = strchr(line, ':');
                uid_t uid;

                id = id ? strchr(id + 1, ':') : NULL;
                if (!id)
                        continue;
                id[1 + strcspn(id + 1, ":")] = '\0';
                if (parse_uid(id + 1, &uid) >= 0 && uid >= base && uid - base < 0x10000)
                        return true;
        }
        return false;
}

/* Return: a locked descriptor; -EAGAIN when somebody else has the range; -errno. */
static int lock_range(uid_t base) {
        _cleanup_free_ char *path = str_format(ID_PLAN_LOCK_DIR "/%u", base);

        if (!path)
                return -ENOMEM;
        for (unsigned i = 0;; i++) {
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                struct stat st;
                _cleanup_fd_ int fd = open(path,
                                           O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
                                           0600);
                if (fd < 0)
                        return -errno;
                if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
                        if ((errno != EACCES && errno != EAGAIN) || i > 0)
                                return errno == EACCES ? -EAGAIN : -errno;
                        (void) usleep(1000); /* for who clears away what the dead left */
                        continue;
                }
                if (fstat(fd, &st) < 0)
                        return -errno;
                /* Its last owner removed it between our open and our lock. */
                if (st.st_nlink > 0)
                        return TAKE_FD(fd);
        }
}

static int try_range(uid_t base, Run *run) {
        if (!id_plan_base_is_good(base))
                return -EAGAIN;
        int fd = lock_range(base);
        if (fd < 0)
                return fd;
        if (is_known("/etc/passwd", base) || is_known("/etc/group", base)) {
                (void) close(fd);
                return -EAGAIN;
        }
        run->range_lock_fd = fd;
        run->uid_base = base;
        return 0;
}

static int pick(const Spec *spec, uid_t owner, Run *run, Error *e) {
        int r = path_mkdirs(ID_PLAN_LOCK_DIR, 0755);

        if (r >= 0)
                r = try_range(owner, run);
        for (unsigned n = 0; r == -EAGAIN && n < TRIES_MAX; n++)
                r = try_range(id_plan_candidate(spec->machine, n), run);
        if (r == -EAGAIN)
                return error_set(e, EBUSY, "no free user ID range found in %u tries", TRIES_MAX);
        return r < 0 ? error_set(e, r, "cannot lock a user ID range: %m") : 0;
}

int id_plan_apply(const Spec *spec, Run *run, IdPlan *ret, Error *e) {
        struct stat st;
        int r;

        if (fstat(run->root_fd, &st) < 0)
                return error_set(e, errno, "cannot look at the root directory: %m");
        if (spec->private_users == PRIVATE_USERS_PICK) {
                r = pick(spec, st.st_uid & 0xFFFF0000U, run, e);
                if (r < 0)
                        return r;
        }
        r = id_plan_make(spec, st.st_uid, st.st_gid, run->uid_base, ret, e);
        if (r < 0)
                return r;
        run->uid_base = ret->base;
        run->uid_range = ret->range;
        return 0;
}

void id_plan_release(Run *run) {
        if (run->range_lock_fd < 0)
                return;
        _cleanup_free_ char *path = str_format(ID_PLAN_LOCK_DIR "/%u", run->uid_base);
        if (path)
                (void) unlink(path);
        run->range_lock_fd = fd_close(run->range_lock_fd);
}
