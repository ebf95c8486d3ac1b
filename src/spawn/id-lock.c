/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks on ID ranges, see id-lock.h. There are two kinds: a file for each picked range, which systemd-nspawn
 * knows too; and one file of our own in which byte N stands for the 65536 IDs from N * 65536 on. */
#include "spawn/id-lock.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/id-plan.h"

#define OWN_FILE "/run/skep/ids"
/* Who sweeps holds a lock for a moment. */
#define TRIES_MAX 5
#define TRY_USEC  500

static int lock_bytes(int fd, short type, off_t first, off_t n) {
        for (unsigned tries = 0;; tries++) {
                struct flock lock = {
                        .l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = n
                };

                if (fcntl(fd, F_OFD_SETLK, &lock) >= 0)
                        return 0;
                if (errno != EAGAIN && errno != EACCES)
                        return -errno;
                if (tries >= TRIES_MAX)
                        return -EAGAIN;
                (void) usleep(TRY_USEC);
        }
}

/* Opens a file that may only be locked, not read. Return: a descriptor or -errno. */
static int open_lock(const char *path, const char *directory) {
        int fd = -ENOENT;

        for (unsigned i = 0; i < 2 && fd == -ENOENT; i++) {
                int r = i == 0 ? 0 : path_mkdirs(directory, 0755);
                if (r < 0)
                        return r;
                fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                          0600);
                fd = fd < 0 ? -errno : fd;
        }
        return fd;
}

/* Return: a locked descriptor; -EAGAIN when somebody else has the range; -errno. */
static int lock_file(uid_t base) {
        char path[64];

        (void) snprintf(path, sizeof path, ID_LOCK_DIR "/%u", base);
        for (;;) {
                _cleanup_fd_ int fd = open_lock(path, ID_LOCK_DIR);
                struct stat st;

                if (fd < 0)
                        return fd;
                int r = lock_bytes(fd, F_WRLCK, 0, 0);
                if (r < 0)
                        return r;
                if (fstat(fd, &st) < 0)
                        return -errno;
                /* Its last owner removed it between our open and our lock. */
                if (st.st_nlink > 0)
                        return TAKE_FD(fd);
        }
}

/* Locks what of a range could be picked. Return: 1 locked, 0 nothing of it could be, -errno. */
static int lock_own(int fd, short type, uint32_t first_id, uint32_t n) {
        const uint32_t min = ID_PICK_MIN, end = ID_PICK_MAX + 0x10000;
        uint32_t last_id = first_id + (n - 1);

        if (last_id < min || first_id >= end)
                return 0;
        first_id = MAX(first_id, min);
        last_id = MIN(last_id, end - 1);
        if (fd < 0)
                return 1;
        int r = lock_bytes(fd, type, first_id >> 16, (last_id >> 16) - (first_id >> 16) + 1);
        return r < 0 ? r : 1;
}

int id_lock_pick(uid_t base, Run *run) {
        _cleanup_fd_ int own = open_lock(OWN_FILE, "/run/skep");
        int r = own < 0 ? own : lock_own(own, F_WRLCK, base, 0x10000);

        if (r < 0)
                return r;
        int fd = lock_file(base);
        if (fd < 0)
                return fd;
        run->range_lock_fd = fd;
        run->ids_lock_fd = TAKE_FD(own);
        return 0;
}

int id_lock_share(const IdRanges *ids, Run *run) {
        _cleanup_fd_ int fd = -EBADF;

        for (size_t i = 0; i < ids->n; i++) {
                const IdRange *range = ids->v + i;
                int r = lock_own(fd, F_RDLCK, range->outside, range->length);

                if (r > 0 && fd < 0) {
                        fd = open_lock(OWN_FILE, "/run/skep");
                        r = fd < 0 ? fd : lock_own(fd, F_RDLCK, range->outside, range->length);
                }
                if (r < 0)
                        return r;
        }
        run->ids_lock_fd = TAKE_FD(fd);
        return 0;
}

void id_lock_release(uid_t base, Run *run) {
        char path[64];

        if (run->range_lock_fd >= 0) {
                (void) snprintf(path, sizeof path, ID_LOCK_DIR "/%u", base);
                (void) unlink(path);
        }
        run->range_lock_fd = fd_close(run->range_lock_fd);
        run->ids_lock_fd = fd_close(run->ids_lock_fd);
}
