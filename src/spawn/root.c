/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root mount of a machine, see root.h. What else is mounted in it is not done here. */
#include "spawn/root.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/path.h"
#include "base/proc.h"
#include "spawn/mount.h"
#include "spawn/owners.h"

static bool has(int root_fd, const char *path, int flags) {
        _cleanup_fd_ int fd = path_open_in_root(root_fd, path, O_PATH | flags, 0);

        return fd >= 0;
}

/* A typo must not fill somebody's home with mount points. */
static int check_system(const Spec *spec, int root_fd, Error *e) {
        if (spec->start == START_BOOT)
                return has(root_fd, "/etc/os-release", 0) || has(root_fd, "/usr/lib/os-release", 0)
                               ? 0
                               : error_set(e, EINVAL,
                                           "'%s' has no os-release, so it cannot be booted",
                                           spec->directory);
        return has(root_fd, "/usr", O_DIRECTORY) || has(root_fd, "/bin", O_DIRECTORY)
                       ? 0
                       : error_set(e, EINVAL,
                                   "'%s' has neither /usr nor /bin, so it is no operating system",
                                   spec->directory);
}

int root_open(const Spec *spec, Run *run, Error *e) {
        (void) fd_close(run->root_fd);
        run->root_fd = open_tree(AT_FDCWD, spec->directory,
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (run->root_fd < 0)
                return error_set(e, errno, "cannot open the root directory '%s': %m",
                                 spec->directory);

        struct stat st;
        if (fstat(run->root_fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", spec->directory);
        if (!S_ISDIR(st.st_mode))
                return error_set(e, ENOTDIR, "'%s' is not a directory", spec->directory);
        return check_system(spec, run->root_fd, e);
}

static int make_private(void) {
        struct mount_attr attr = { .propagation = MS_PRIVATE };

        return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0 ? -errno : 0;
}

/* The upper directory becomes the root of the machine: it takes mode and owner after the lower one. */
static int make_upper(int tmp_fd, int lower_fd, const IdPlan *ids) {
        struct stat st;

        if (fstat(lower_fd, &st) < 0 || mkdirat(tmp_fd, "upper", st.st_mode & 07777) < 0 ||
            mkdirat(tmp_fd, "work", 0700) < 0 || mkdirat(tmp_fd, "lower", 0700) < 0 ||
            mkdirat(tmp_fd, "root", 0700) < 0)
                return -errno;

        if (fchmodat(tmp_fd, "upper", st.st_mode & 07777, 0) < 0 ||
            fchownat(tmp_fd, "upper", id_plan_shown(ids, st.st_uid), id_plan_shown(ids, st.st_gid),
                     0) < 0)
                return -errno;
        return 0;
}

static int ephemeral_child(const IdPlan *ids, const Run *run, Error *e) {
        int r, fd;

        r = make_private();
        if (r < 0)
                return error_set(e, r, "cannot leave the host's mount propagation: %m");
        fd = mount_new("tmpfs", "mode=0700", MOUNT_ATTR_NODEV, e);
        if (fd < 0)
                return fd;
        r = make_upper(fd, run->root_fd, ids);
        if (r >= 0)
                r = mount_attach_at(fd, AT_FDCWD, run->runtime);
        return r < 0 ? error_set(e, r, "cannot make the upper layer: %m") : 0;
}

int root_prepare_ephemeral(const IdPlan *ids, Run *run, Error *e) {
        struct clone_args args = { .flags = CLONE_NEWNS | CLONE_PIDFD, .exit_signal = SIGCHLD };
        _cleanup_fd_ int pidfd = -EBADF, ours = -EBADF, theirs = -EBADF;
        int pair[2], r;

        r = handshake_pair(pair);
        if (r < 0)
                return error_set(e, r, "cannot make a socket pair: %m");
        ours = pair[0];
        theirs = pair[1];

        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid < 0)
                return error_set(e, pid, "cannot fork: %m");
        if (pid == 0) {
                Error problem = {};
                r = ephemeral_child(ids, run, &problem);
                int ns = r < 0 ? -EBADF : open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
                if (r >= 0 && ns < 0)
                        r = error_set(&problem, errno, "cannot open the mount namespace: %m");
                if (r < 0)
                        (void) handshake_send_error(theirs, &problem);
                else
                        (void) handshake_send_fd(theirs, 0, ns);
                _exit(0);
        }

        theirs = fd_close(theirs);
        r = handshake_expect(ours, HANDSHAKE_FD, 0, &run->ephemeral_fd, NULL, e);
        (void) proc_wait(pidfd, NULL);
        return r;
}

int root_isolate(const Spec *spec, Run *run, Error *e) {
        int r;

        if (spec->ephemeral) {
                if (setns(run->ephemeral_fd, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
                        return error_set(e, errno, "cannot enter the upper layer's namespace: %m");
                return 0;
        }
        r = make_private();
        return r < 0 ? error_set(e, r, "cannot leave the host's mount propagation: %m") : 0;
}

/* Mount points that a tree may lack, and that only PID 1 will mount on, which may not make them. Made
 * through the mount as it is on disk, by its owner. */
static int make_base_directories(int root_fd) {
        static const char *const names[] = { "proc", "sys" };
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (faccessat(root_fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        continue;
                if (errno != ENOENT)
                        return -errno;
                if (fstat(root_fd, &st) < 0)
                        return -errno;
                if (mkdirat(root_fd, names[i], 0755) < 0)
                        return errno == EROFS ? 0 : -errno;
                if (fchownat(root_fd, names[i], st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
        }
        return 0;
}

/* Puts an overlay over the attached tree. Layers are named by descriptor, so that no byte of a path
 * can be taken for a separator. */
static int overlay(Run *run, bool read_only, Error *e) {
        _cleanup_free_ char *options = NULL;

        options = str_format("lowerdir=/proc/self/fd/%d,upperdir=%s/upper,workdir=%s/work",
                             run->root_fd, run->runtime, run->runtime);
        if (!options)
                return error_oom(e);
        int fd = mount_new("overlay", options, read_only ? MOUNT_ATTR_RDONLY : 0, e);
        if (fd < 0)
                return fd;
        (void) fd_close(run->root_fd);
        run->root_fd = fd;
        return 0;
}

/* Attaches the root on run->runtime (or @below it), which only this namespace sees. Not over
 * "/", where it could not be told from what lies under it when that is to go. */
static int attach_on_runtime(const Run *run, const char *below, Error *e) {
        _cleanup_free_ char *path = below ? path_join(run->runtime, below) : strdup(run->runtime);

        if (!path)
                return error_oom(e);
        int r = mount_attach_at(run->root_fd, AT_FDCWD, path);
        return r < 0 ? error_set(e, r, "cannot attach the root: %m") : 0;
}

int root_attach(const Spec *spec, const IdPlan *ids, Run *run, Error *e) {
        struct mount_attr attr = { .propagation = MS_PRIVATE };
        bool read_only = spec->read_only || spec->ephemeral;
        int r = read_only ? 0 : make_base_directories(run->root_fd);

        if (r < 0)
                return error_set(e, r, "cannot make base directories in '%s': %m", spec->directory);

        if (read_only)
                attr.attr_set |= MOUNT_ATTR_RDONLY;
        r = owners_set_attributes(ids, run->userns_fd, run->root_fd, &attr, e);
        if (r < 0)
                return error_wrap(e, r, "'%s'", spec->directory);

        r = attach_on_runtime(run, spec->ephemeral ? "lower" : NULL, e);
        if (r < 0 || !spec->ephemeral)
                return r;
        r = overlay(run, spec->read_only, e);
        return r < 0 ? r : attach_on_runtime(run, "root", e);
}

int root_pin_api(Run *run, Error *e) {
        static const char *const types[] = { "proc", "sysfs" }, *const where[] = { "/proc",
                                                                                   "/sys" };

        (void) run;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_fd_ int fd = mount_new(types[i], NULL, 0, e);
                if (fd < 0)
                        return fd;
                int r = mount_attach_at(fd, AT_FDCWD, where[i]);
                if (r < 0)
                        return error_set(e, r, "cannot mount %s over '%s': %m", types[i], where[i]);
        }
        return 0;
}

int root_adopt(Run *run, Error *e) {
        if (fchdir(run->root_fd) < 0 || unshare(CLONE_NEWNS) < 0)
                return error_set(e, errno, "cannot make a mount namespace: %m");

        (void) fd_close(run->root_fd);
        run->root_fd = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (run->root_fd < 0)
                return error_set(e, errno, "cannot copy the root: %m");
        int r = mount_attach_at(run->root_fd, AT_FDCWD, ".");
        return r < 0 ? error_set(e, r, "cannot attach the root: %m") : 0;
}

/* Inside, as on any host, what is mounted is seen by the mount namespaces that services get. */
static int make_shared(Error *e) {
        struct mount_attr attr = { .propagation = MS_SHARED };

        return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0
                       ? error_set(e, errno, "cannot make the mounts shared: %m")
                       : 0;
}

int root_pivot(Run *run, Error *e) {
        if (fchdir(run->root_fd) < 0)
                return error_set(e, errno, "cannot enter the root: %m");

        if (syscall(SYS_pivot_root, ".", ".") >= 0) {
                if (umount2(".", MNT_DETACH) < 0)
                        return error_set(e, errno, "cannot detach the host's root: %m");
                if (chdir("/") < 0)
                        return error_set(e, errno, "cannot enter the root: %m");
                return make_shared(e);
        }

        /* The initial ramfs cannot be pivoted away; our root goes on top of it, which is as good. */
        if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
            chdir("/") < 0)
                return error_set(e, errno, "cannot change the root: %m");
        return make_shared(e);
}
