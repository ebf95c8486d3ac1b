/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Free space of file systems, see room.h. How much is needed is estimate.c's to say. */
#include "importer/room.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/format.h"
#include "base/mount-info.h"
#include "base/path.h"
#include "base/text.h"

#define BCACHEFS_MAGIC 0xca451a4e
#define ZFS_MAGIC      0x2fc12fc1

/* Return: 0 and two new strings; -errno. */
static int find_mount(int fd, char **ret_place, char **ret_type) {
        _cleanup_free_ char *text = NULL;
        struct statx sx;

        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) < 0)
                return -errno;
        if (!(sx.stx_mask & STATX_MNT_ID))
                return -EOPNOTSUPP;
        int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNT_INFO_MAX, &text, NULL);
        return r < 0 ? r : mount_info_find(text, sx.stx_mnt_id, ret_place, ret_type);
}

void room_look(int fd, const char *path, Room *ret) {
        _cleanup_free_ char *place = NULL, *type = NULL, *clean = NULL;
        struct statfs v;

        *ret = (Room){ .free = ROOM_UNKNOWN };
        /* Some have no idea. */
        if (fstatfs(fd, &v) < 0 || v.f_blocks == 0)
                return;
        ret->free = (uint64_t) v.f_bavail * (uint64_t) (v.f_frsize ? v.f_frsize : v.f_bsize);
        ret->packs = (unsigned long) v.f_type == BTRFS_SUPER_MAGIC ||
                     (unsigned long) v.f_type == BCACHEFS_MAGIC ||
                     (unsigned long) v.f_type == ZFS_MAGIC ||
                     (unsigned long) v.f_type == F2FS_SUPER_MAGIC;
        ret->shares = (unsigned long) v.f_type == BTRFS_SUPER_MAGIC ||
                      (unsigned long) v.f_type == XFS_SUPER_MAGIC ||
                      (unsigned long) v.f_type == BCACHEFS_MAGIC;
        (void) find_mount(fd, &place, &type);
        clean = str_escape(place ? place : path, "");
        (void) snprintf(ret->place, sizeof ret->place, "%.*s", 160, strempty(clean));
        if (type && type[0]) {
                size_t n = strlen(ret->place);
                (void) snprintf(ret->place + n, sizeof ret->place - n, " (%.30s)", type);
        }
}

/* "1.4 GiB": figures in a sentence have units. */
static const char *format_size(uint64_t bytes, char text[static FORMAT_MAX]) {
        char unit[4] = "";

        (void) format_bytes(bytes, text);
        size_t n = strlen(text);
        if (bytes >= 1024)
                (void) snprintf(unit, sizeof unit, "%ciB", text[n - 1]);
        else
                (void) snprintf(unit, sizeof unit, "B");
        (void) snprintf(text + n - 1, FORMAT_MAX - n + 1, " %s", unit);
        return text;
}

int room_check(const Room *room, uint64_t need, Error *e) {
        char a[FORMAT_MAX], b[FORMAT_MAX];

        if (room->free == ROOM_UNKNOWN || (room->packs ? need / 2 : need) <= room->free)
                return 0;
        return error_set(e, ENOSPC, "needs about %s, but %s has %s free", format_size(need, a),
                         room->place, format_size(room->free, b));
}
