/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a machine gets the host's time zone: by name where it has the zone, else by the host's own file. */
#include "spawn/timezone.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/guest-file.h"

#define LOCALTIME "/etc/localtime"
#define ZONES     "/usr/share/zoneinfo/"

bool timezone_wants(const Spec *spec) {
        return spec->timezone != TIMEZONE_OFF;
}

const char *timezone_of_link(const char *target) {
        const char *zone = str_skip_prefix(target, ".." ZONES);

        if (!zone)
                zone = str_skip_prefix(target, ZONES);
        if (!zone || !*zone || *zone == '/' || str_has_suffix(zone, "/") || strstr(zone, "//"))
                return NULL;
        for (const char *c = zone; *c; c += strcspn(c, "/"), c += *c == '/')
                if (*c == '.')
                        return NULL; /* "." and "..", and no zone is hidden */
        return zone;
}

/* Return: 0; -EINVAL no symlink; -ENOENT; -errno. */
static int read_link(int dir_fd, const char *name, char target[static PATH_MAX]) {
        ssize_t n = readlinkat(dir_fd, name, target, PATH_MAX - 1);

        if (n < 0)
                return -errno;
        target[n] = '\0';
        return 0;
}

static bool has_zone(const Run *run, const char *zone) {
        _cleanup_free_ char *path = path_join(ZONES, zone);
        _cleanup_fd_ int fd = path ? path_open_in_root(run->root_fd, path, O_PATH, 0) : -EBADF;
        struct stat st;

        return fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode);
}

/* A machine without /etc/localtime has this time anyway. */
static bool is_utc(const char *zone) {
        static const char *const names[] = { "UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(zone, names[i]))
                        return true;
        return false;
}

static int apply_copy(const GuestFile *f, Error *e) {
        _cleanup_free_ HostFile *content = malloc(sizeof *content);

        if (!content)
                return error_oom(e);
        int r = host_file_read(LOCALTIME, 0, content, e);
        return r < 0 ? r : guest_file_write(f, content, true, e);
}

/* Return: 0; -ENOENT the image has not got the zone; -EROFS; -errno. */
static int apply_link(const GuestFile *f, const char *zone, Error *e) {
        _cleanup_free_ char *target = path_join(".." ZONES, zone);

        if (!target)
                return error_oom(e);
        if (!has_zone(f->run, zone))
                return error_set(e, ENOENT, "the image has no time zone '%s'", zone);
        return guest_file_link(f, target, e);
}

static int apply_zone(const GuestFile *f, const char *zone, Error *e) {
        char there[PATH_MAX];
        const char *now = NULL;
        int r = read_link(f->dir_fd, path_last(f->path), there);

        if (r >= 0)
                now = timezone_of_link(there);
        if ((now && streq(now, zone)) || (r == -ENOENT && is_utc(zone)))
                return 0;
        r = apply_link(f, zone, e);
        if (r != -ENOENT && r != -EROFS)
                return r;
        r = guest_file_bind(f, LOCALTIME, e);
        return r < 0 && r != -EROFS ? apply_copy(f, e) : r;
}

static int apply_auto(const GuestFile *f, Error *e) {
        char target[PATH_MAX];
        int r = read_link(AT_FDCWD, LOCALTIME, target);

        if (r == -ENOENT)
                return guest_file_remove(f, e);
        if (r == -EINVAL) {
                r = apply_copy(f, e);
                return r == -EROFS ? guest_file_bind(f, LOCALTIME, e) : r;
        }
        const char *zone = r >= 0 ? timezone_of_link(target) : NULL;
        if (!zone)
                return error_set(e, r < 0 ? r : -EINVAL, "'" LOCALTIME "' names no time zone");
        return apply_zone(f, zone, e);
}

static int apply_symlink(const GuestFile *f, Error *e) {
        char target[PATH_MAX];
        int r = read_link(AT_FDCWD, LOCALTIME, target);

        if (r < 0)
                return error_set(e, r, "cannot read the link '" LOCALTIME "': %m");
        const char *zone = timezone_of_link(target);
        if (!zone)
                return error_set(e, EINVAL, "'" LOCALTIME "' names no time zone");
        return apply_zone(f, zone, e);
}

int timezone_apply(const Spec *spec, const Run *run, int etc_fd, Error *e) {
        const GuestFile f = { .run = run, .path = LOCALTIME, .dir_fd = etc_fd };

        switch (spec->timezone) {
        case TIMEZONE_AUTO:
                return apply_auto(&f, e);
        case TIMEZONE_SYMLINK:
                return apply_symlink(&f, e);
        case TIMEZONE_BIND:
                return guest_file_bind(&f, LOCALTIME, e);
        case TIMEZONE_COPY:
                return apply_copy(&f, e);
        case TIMEZONE_DELETE:
                return guest_file_remove(&f, e);
        default:
                return 0;
        }
}
