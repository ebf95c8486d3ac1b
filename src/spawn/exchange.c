/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders in which host and machine exchange mounts and sockets, see exchange.h. The paths are those that
 * machine managers and ssh know from systemd-nspawn. */
#include "spawn/exchange.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/path.h"
#include "spawn/mount.h"
#include "spawn/register.h"
#include "spawn/runtime.h"

#define PROPAGATE   "/run/systemd/nspawn/propagate"
#define UNIX_EXPORT "/run/systemd/nspawn/unix-export"
#define INCOMING    "run/host/incoming"
#define EXPORTED    "run/host/unix-export"
#define NOTHING     (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

typedef char Path[PATH_MAX];

static const char *join(Path path, const char *folder, const char *name) {
        /* Names of machines are short; whatever else does not fit is not there. */
        if (snprintf(path, sizeof(Path), "%s/%s", folder, name) >= (int) sizeof(Path))
                path[0] = '\0';
        return path;
}

bool exchange_may_want(const Spec *spec) {
        return spec_is_machine(spec) && spec->register_mode != REGISTER_NO;
}

bool exchange_wants(const Spec *spec) {
        return spec_is_machine(spec) && register_wants(spec);
}

/* A supervisor that was killed can have left mounts in it. */
static void clear_mounts(const char *path) {
        while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) >= 0)
                ;
}

static void remove_propagate(const char *name) {
        _cleanup_fd_ int top = open(PROPAGATE, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_dir_ DIR *d = NULL;
        Path path, inner;

        int fd = top < 0 ? -EBADF
                         : openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d)
                return;
        (void) join(path, PROPAGATE, name);
        for (struct dirent *entry = readdir(d); entry; entry = readdir(d)) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                clear_mounts(join(inner, path, entry->d_name));
                if (unlinkat(dirfd(d), entry->d_name, 0) < 0)
                        (void) unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
        }
        (void) unlinkat(top, name, AT_REMOVEDIR);
}

static void remove_export(const char *name) {
        Path path;

        (void) join(path, UNIX_EXPORT, name);
        if (unlink(path) >= 0 || errno == ENOENT)
                return;
        clear_mounts(path); /* systemd-nspawn's is a file system mounted there */
        (void) rmdir(path);
}

void exchange_remove(const char *path) {
        const char *name = path_last(path);

        remove_propagate(name);
        remove_export(name);
}

/* A copy of the mount that the folder is on, receiving what is mounted there. */
static int open_incoming(const char *name, Error *e) {
        struct mount_attr attr = { .attr_set = NOTHING | MOUNT_ATTR_RDONLY,
                                   .propagation = MS_SLAVE };
        Path path;

        (void) join(path, PROPAGATE, name);
        int r = path_mkdirs(PROPAGATE, 0755);
        if (r >= 0 && mkdir(path, 0600) < 0 && errno != EEXIST)
                r = -errno;
        if (r < 0)
                return error_set(e, r, "cannot make '%s': %m", path);
        _cleanup_fd_ int fd = open_tree(AT_FDCWD, path,
                                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot take the mount of '%s': %m", path);
        return TAKE_FD(fd);
}

static int open_export(uid_t uid, Error *e) {
        char options[96];

        (void) snprintf(options, sizeof options, "mode=0755,size=4m,nr_inodes=64,uid=%u,gid=%u",
                        uid, uid);
        return mount_new("tmpfs", options, NOTHING | MOUNT_ATTR_NOSYMFOLLOW, e);
}

int exchange_prepare(const Spec *spec, uid_t uid_base, Run *run, Error *e) {
        Path path;
        int r = 0;

        if (!run->exchange_is_noted)
                r = runtime_note(run, "exchange", join(path, PROPAGATE, spec->machine), e);
        if (r < 0)
                return r;
        run->exchange_is_noted = true;
        r = run->incoming_fd = open_incoming(spec->machine, e);
        if (r < 0)
                return r;
        r = run->export_fd = open_export(uid_base, e);
        return MIN(r, 0);
}

static int attach(const Run *run, int mount_fd, const char *path, Error *e) {
        _cleanup_fd_ int target = path_open_beneath(run->root_fd, path, O_PATH | O_DIRECTORY, 0);
        int r = target < 0 ? target : mount_attach(mount_fd, target);

        return r < 0 ? error_set(e, r, "cannot attach '/%s': %m", path) : 0;
}

int exchange_apply(const Run *run, Error *e) {
        if (run->incoming_fd < 0)
                return 0;
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
        int r = attach(run, run->incoming_fd, INCOMING, e);

        if (r >= 0)
                r = attach(run, run->export_fd, EXPORTED, e);
        if (r < 0)
                return r;
        /* What the machine does to its mount must not change how the host sees it. */
        int view = open_tree(run->export_fd, "",
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        if (view < 0 || mount_setattr(view, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot make the host's view of '/" EXPORTED "': %m");
        r = handshake_send_fd(run->handshake_fd, RUN_FD_EXPORT, view);
        return r < 0 ? error_set(e, r, "cannot hand out the view of '/" EXPORTED "': %m") : 0;
}

void exchange_link(const Spec *spec, Run *run) {
        char target[64];
        Path path;

        run->export_fd = fd_close(run->export_fd);
        if (run->export_view_fd < 0 || path_mkdirs(UNIX_EXPORT, 0755) < 0)
                return;
        remove_export(spec->machine);
        (void) snprintf(target, sizeof target, "/proc/%d/fd/%d", getpid(), run->export_view_fd);
        (void) symlink(target, join(path, UNIX_EXPORT, spec->machine));
}

int exchange_settle(const Run *run, Error *e) {
        struct mount_attr attr = { .propagation = MS_SLAVE };

        if (run->incoming_fd < 0)
                return 0;
        if (mount_setattr(AT_FDCWD, "/" INCOMING, 0, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot let '/" INCOMING "' only receive mounts: %m");
        return 0;
}

void exchange_revert(const Spec *spec, Run *run) {
        Path path;

        if (run->incoming_fd < 0)
                return;
        run->incoming_fd = fd_close(run->incoming_fd);
        run->export_fd = fd_close(run->export_fd);
        run->export_view_fd = fd_close(run->export_view_fd);
        exchange_remove(join(path, PROPAGATE, spec->machine));
}
