/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device-mapper devices as things that must not stay behind: named so that leftovers are known, made under a
 * lock, removed by the kernel at the last close. */
#include "crypt/crypt.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/aide.h"
#include "base/id128.h"
#include "base/path.h"
#include "image/loop.h"

#define PREFIX "skep-"
#define LOCK   "/run/skep/crypt.lock"

/* The last error that the library told; it has no better place for it. */
static char last_words[200];

static void on_log(int level, const char *message, void *userdata) {
        (void) userdata;
        if (level != CRYPT_LOG_ERROR)
                return;
        (void) snprintf(last_words, sizeof last_words, "%s", message);
        (void) str_strip(last_words);
        for (size_t n = strlen(last_words); n > 0 && strchr(".\n", last_words[n - 1]); n--)
                last_words[n - 1] = '\0';
}

int device_error(struct crypt_device *cd, int r, const char *what, Error *e) {
        (void) cd;
        return last_words[0] ? error_set(e, r, "%s: %s", what, last_words)
                             : error_set(e, r, "%s: %m", what);
}

static bool has_mapper(void) {
        _cleanup_free_ char *misc = NULL;

        return file_read(AT_FDCWD, "/proc/misc", 64 * 1024, &misc, NULL) >= 0 &&
               strstr(misc, "device-mapper");
}

static void load_mapper(void) {
        static char *const argv[] = { (char *) "modprobe", (char *) "-q", (char *) "dm-mod", NULL };
        char *const environment[] = { NULL };
        pid_t pid;

        if (posix_spawn(&pid, "/sbin/modprobe", NULL, NULL, argv, environment) == 0)
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
}

int device_require_mapper(Error *e) {
        if (!has_mapper())
                load_mapper();
        return has_mapper() ? 0 : error_set(e, EOPNOTSUPP, "this kernel has no device-mapper");
}

int device_init(int fd, struct crypt_device **ret, Error *e) {
        char path[BLOCK_PATH_MAX];
        int r;

        crypt_set_log_callback(NULL, on_log, NULL);
        r = crypt_init(ret, block_path(fd, path));
        return r < 0 ? device_error(NULL, r, "cannot use the device", e) : 0;
}

#define DM_REQUEST(n, f)                                                                           \
        {                                                                                          \
                .version = { DM_VERSION_MAJOR, 0, 0 }, .data_size = (n),                           \
                .data_start = sizeof(struct dm_ioctl), .flags = (f)                                \
        }

static void remove_leftover(int control, const char *name) {
        struct dm_ioctl q = DM_REQUEST(sizeof q, DM_DEFERRED_REMOVE);

        if (strlen(name) >= sizeof q.name ||
            crypt_deactivate_by_name(NULL, name, CRYPT_DEACTIVATE_DEFERRED) >= 0)
                return;
        /* Who is killed while the library makes one leaves it without a table, which to the library is none. */
        memcpy(q.name, name, strlen(name) + 1);
        (void) ioctl(control, DM_DEV_REMOVE, &q);
}

/* Devices of ours that nobody has open belong to somebody who died: those who have one in the making
 * hold the lock. The kernel itself is asked, for what has no table yet is not in /sys. */
static void sweep(void) {
        union {
                struct dm_ioctl request;
                char bytes[64 * 1024];
        } u = { .request = DM_REQUEST(sizeof u, 0) };
        _cleanup_fd_ int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
        struct dm_name_list entry;

        if (control < 0 || ioctl(control, DM_LIST_DEVICES, &u.request) < 0)
                return;
        for (size_t at = u.request.data_start; at + sizeof entry < sizeof u; at += entry.next) {
                const char *name = u.bytes + at + offsetof(struct dm_name_list, name);

                memcpy(&entry, u.bytes + at, sizeof entry);
                if (entry.dev != 0 && str_skip_prefix(name, PREFIX))
                        remove_leftover(control, name);
                if (entry.dev == 0 || entry.next == 0)
                        return;
        }
}

int mapping_begin(Mapping *m, Error *e) {
        char text[ID128_TEXT_MAX];
        Id128 id;
        int r = id128_random(&id);

        if (r < 0)
                return error_set(e, r, "no random numbers: %m");
        (void) snprintf(m->name, sizeof m->name, PREFIX "%s", id128_format(&id, text));

        r = path_mkdirs("/run/skep", 0755);
        if (r >= 0) {
                m->lock_fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
                r = m->lock_fd < 0 || flock(m->lock_fd, LOCK_EX) < 0 ? -errno : 0;
        }
        if (r < 0)
                return error_set(e, r, "cannot take the lock '" LOCK "': %m");
        sweep();
        return 0;
}

void mapping_done(Mapping *m) {
        m->lock_fd = fd_close(m->lock_fd);
}

/* Opens it by the kernel's own name of it where /dev has that: the library's goes away, and people read names
 * in lists of mounts. */
static int open_mapping(const char *path, bool read_only) {
        int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY, fd = open(path, flags);
        char node[MAPPING_NAME_MAX];
        struct stat st, there;

        if (fd < 0 || fstat(fd, &st) < 0)
                return fd;
        (void) snprintf(node, sizeof node, "/dev/dm-%u", minor(st.st_rdev));
        int better = open(node, flags | O_NOFOLLOW | O_NONBLOCK);
        if (better >= 0 && fstat(better, &there) >= 0 && S_ISBLK(there.st_mode) &&
            there.st_rdev == st.st_rdev) {
                (void) close(fd);
                return better;
        }
        (void) fd_close(better);
        return fd;
}

int mapping_hand_out(Mapping *m, struct crypt_device *cd, bool read_only, bool probe, Error *e) {
        char path[2 * MAPPING_NAME_MAX];
        char block[512];
        struct stat st;
        int r;

        (void) snprintf(path, sizeof path, "%s/%s", crypt_get_dir(), m->name);
        _cleanup_fd_ int fd = open_mapping(path, read_only);
        r = fd < 0 ? error_set(e, errno, "cannot open the new device '%s': %m", path) : 0;
        if (r >= 0 && probe && pread(fd, block, sizeof block, 0) != sizeof block)
                r = error_set(e, EBADMSG,
                              "the root hash is of something else, or the data are damaged");

        /* It is open: this removes it when nobody has it open any more. */
        int d = crypt_deactivate_by_name(cd, m->name, CRYPT_DEACTIVATE_DEFERRED);
        if (r >= 0 && d < 0)
                r = device_error(cd, d, "cannot have the new device removed at its end", e);
        /* Where there is no udev, the library has made a node that nobody would remove. */
        if (lstat(path, &st) >= 0 && S_ISBLK(st.st_mode))
                (void) unlink(path);
        if (r >= 0) {
                r = handshake_send_fd(AIDE_SOCKET, 0, fd);
                if (r < 0)
                        r = error_set(e, r, "cannot hand out the new device: %m");
        }
        return r;
}
