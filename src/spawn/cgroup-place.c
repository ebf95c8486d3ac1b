/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and removing the control group of a machine. Entering it is clone3()'s; limits are the
 * unit's. */
#include "spawn/cgroup-place.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/path.h"
#include "spawn/oci-cgroup.h"
#include "spawn/runtime.h"

#define CGROUP_REMOVE_USEC 2000000U /* longest wait for the kernel to let go of a killed group */

/* Files of a group whose owner may change what is below it. */
static const char *const delegated[] = {
        ".",
        "cgroup.procs",
        "cgroup.threads",
        "cgroup.subtree_control",
        "cgroup.stat",
        "cgroup.events",
        "cgroup.controllers",
        "cgroup.kill",
        "memory.oom.group",
        "memory.reclaim",
};

static int unit_path(char **ret, bool *ret_at_top, Error *e) {
        _cleanup_free_ char *own = NULL, *unit = NULL, *rest = NULL;
        int r = cgroup_of_pid(0, &own);

        if (r >= 0)
                r = cgroup_unit_of_path(own, &unit, &rest);
        if (r < 0)
                return error_set(e, r, "--keep-unit, but this process is in no unit");
        *ret_at_top = rest[0] == '\0';
        own[strlen(own) - strlen(rest)] = '\0';
        *ret = TAKE_PTR(own);
        return 0;
}

static int own_path(const Spec *spec, char **ret, Error *e) {
        _cleanup_free_ char *own = NULL;
        int r = cgroup_of_pid(0, &own);

        if (r < 0)
                return error_set(e, r, "cannot tell our control group: %m");
        /* A process that entered our namespaces from outside has its group above our tree. */
        bool at_top = streq(own, "/") || streq(own, "/..") || str_skip_prefix(own, "/../");
        *ret = str_format("%s/skep-%s", at_top ? "" : own, spec->machine);
        return *ret ? 0 : error_oom(e);
}

int cgroup_place_hand_down(int fd, Buf *missing) {
        _cleanup_free_ char *offered = NULL, *enabled = NULL;
        _cleanup_strv_ char **names = NULL;

        if (file_read(fd, "cgroup.controllers", 4096, &offered, NULL) < 0 || offered[0] == '\n' ||
            !offered[0])
                return 0;
        if (file_read(fd, "cgroup.subtree_control", 4096, &enabled, NULL) < 0)
                return 0;
        if (streq(offered, enabled))
                return 0;
        if (str_split(offered, " \n", &names) < 0)
                return -ENOMEM;

        STRV_FOREACH(n, names) {
                _cleanup_free_ char *line = str_format("+%s", *n);
                if (!line)
                        return -ENOMEM;
                if (file_write(fd, "cgroup.subtree_control", line, 0, 0) < 0 && missing &&
                    !strstr(enabled, *n))
                        (void) buf_printf(missing, "%s%s", missing->n > 0 ? " " : "", *n);
        }
        return 0;
}

/* We leave the group for a leaf of it, as a group with processes cannot hand controllers down. */
static int move_ourselves(int unit_fd, Error *e) {
        if (mkdirat(unit_fd, "supervisor", 0755) < 0 && errno != EEXIST)
                return error_set(e, errno, "cannot make the supervisor's control group: %m");
        int r = file_write(unit_fd, "supervisor/cgroup.procs", "0", 0, 0);
        return r < 0 ? error_set(e, r, "cannot enter the supervisor's control group: %m") : 0;
}

static int hand_over(int fd, uid_t uid, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(delegated); i++)
                if (fchownat(fd, delegated[i], uid, uid, 0) < 0 && errno != ENOENT)
                        return error_set(e, errno, "cannot hand over '%s' of the control group: %m",
                                         delegated[i]);
        return 0;
}

/* Opens the group at @path below the mount, made if it is not there. */
static int open_group(const char *path, bool make, Error *e) {
        _cleanup_free_ char *mount = NULL, *full = NULL;
        int r = cgroup_mount(&mount);

        if (r < 0)
                return r;
        full = path_join(mount, path);
        if (!full)
                return error_oom(e);
        if (make && mkdir(full, 0755) < 0 && errno != EEXIST)
                return error_set(e, errno, "cannot make the control group '%s': %m", full);
        int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the control group '%s': %m", full) : fd;
}

static int locate(const Spec *spec, Run *run, bool *ret_move, Error *e) {
        *ret_move = false;
        if (run->cgroup)
                return 0;
        if (spec->keep_unit)
                return unit_path(&run->cgroup, ret_move, e);
        int r = spec->cgroup ? str_replace(&run->cgroup, spec->cgroup)
                             : own_path(spec, &run->cgroup, e);
        if (r >= 0)
                run->cgroup_is_ours = true;
        return r;
}

/* Below a unit: the supervisor, or systemd, may have processes beside those of the payload. */
static int open_payload(int unit_fd, Run *run, Buf *missing, Error *e) {
        if (cgroup_place_hand_down(unit_fd, missing) < 0)
                return error_oom(e);
        if (mkdirat(unit_fd, "payload", 0755) < 0 && errno != EEXIST)
                return error_set(e, errno, "cannot make the payload's control group: %m");
        run->cgroup_fd = openat(unit_fd, "payload", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return run->cgroup_fd < 0
                       ? error_set(e, errno, "cannot open the payload's control group: %m")
                       : 0;
}

int cgroup_place_apply(const Spec *spec, Run *run, Buf *missing, Error *e) {
        bool move;
        int r = locate(spec, run, &move, e);

        if (r == -ENODATA)
                return 0;
        /* Before it is there: whoever dies in between leaves nothing that nobody knows of. */
        if (r >= 0)
                r = runtime_note_cgroup(run, e);
        if (r < 0)
                return r;

        _cleanup_fd_ int fd = spec->cgroup ? oci_cgroup_make(run->cgroup, missing, e)
                                           : open_group(run->cgroup, run->cgroup_is_ours, e);
        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return fd;
        if (move) {
                r = move_ourselves(fd, e);
                if (r < 0)
                        return r;
        }
        /* A group of our own holds nobody else: it can be the payload's as it is. */
        if (run->cgroup_is_ours)
                run->cgroup_fd = TAKE_FD(fd);
        else {
                r = open_payload(fd, run, missing, e);
                if (r < 0)
                        return r;
        }
        return run->ids.n > 0 ? hand_over(run->cgroup_fd, run->uid_base, e) : 0;
}

/* Depth first; a group that is still populated is waited for, for its processes are dying. */
static void remove_below(int dir_fd, const char *name, uint64_t deadline) {
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_dir_ DIR *d = NULL;

        if (fd < 0)
                return;
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) >= 0) {
                (void) close(fd);
                return;
        }
        d = fdopendir(fd);
        if (!d) {
                (void) close(fd);
                return;
        }
        for (struct dirent *entry = readdir(d); entry; entry = readdir(d))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        remove_below(fd, entry->d_name, deadline);

        while (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno == EBUSY && now_usec() < deadline)
                (void) usleep(1000);
}

void cgroup_place_remove(const char *path) {
        _cleanup_free_ char *mount = NULL, *full = NULL, *kill_file = NULL;

        if (cgroup_mount(&mount) < 0)
                return;
        full = path_join(mount, path);
        /* Mostly all have gone with PID 1. */
        if (full && rmdir(full) >= 0)
                return;
        kill_file = full ? path_join(full, "cgroup.kill") : NULL;
        if (!kill_file)
                return;
        (void) file_write(AT_FDCWD, kill_file, "1", 0, 0);
        remove_below(AT_FDCWD, full, now_usec() + CGROUP_REMOVE_USEC);
}

void cgroup_place_revert(Run *run) {
        if (run->cgroup_is_ours && run->cgroup)
                cgroup_place_remove(run->cgroup);
        else if (run->cgroup_fd >= 0) {
                _cleanup_free_ char *payload = path_join(run->cgroup, "payload");

                if (payload)
                        cgroup_place_remove(payload);
        }
        run->cgroup_fd = fd_close(run->cgroup_fd);
        run->cgroup_is_ours = false;
        free(TAKE_PTR(run->cgroup));
}

int cgroup_place_format(const Spec *spec, Buf *out) {
        _cleanup_free_ char *path = NULL;
        bool move;
        int r;

        r = spec->keep_unit ? unit_path(&path, &move, NULL)
            : spec->cgroup  ? str_replace(&path, spec->cgroup)
                            : own_path(spec, &path, NULL);
        return buf_printf(out, "%s%s\n", r < 0 ? "(none)" : path,
                          r >= 0 && spec->keep_unit ? "/payload" : "");
}
