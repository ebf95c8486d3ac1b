/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the mounts of a machine. The root itself is root.c's; what is mounted where is mount-plan.c's.
 * Descriptors that are not closed here close when the payload is executed: the processes that run
 * this do nothing else. */
#include "spawn/mount.h"

#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/bind-map.h"
#include "spawn/inaccessible.h"
#include "spawn/oci-mount.h"
#include "spawn/oci-nodes.h"
#include "spawn/overlay.h"
#include "spawn/root.h"
#include "spawn/scratch.h"
#include "spawn/userns.h"

#define CLONE_TREE         (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
#define NOTHING_ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static const char *const fs_types[_MOUNT_TYPE_MAX] = {
        [MOUNT_TMPFS] = "tmpfs",    [MOUNT_PROC] = "proc",     [MOUNT_SYSFS] = "sysfs",
        [MOUNT_CGROUP] = "cgroup2", [MOUNT_DEVPTS] = "devpts", [MOUNT_MQUEUE] = "mqueue",
};

static int set_attributes(int fd, uint64_t set, uint64_t clear, bool recursive) {
        struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

        return mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
                             sizeof attr) < 0
                       ? -errno
                       : 0;
}

int mount_act_as(uid_t uid) {
        if (uid != 0 && prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
                return -errno;
        (void) setfsgid(uid);
        (void) setfsuid(uid);
        return 0;
}

static int make_target_as(const MountItem *m, int source_fd, uid_t uid, Run *run) {
        _cleanup_free_ char *parent = NULL;
        struct stat st = { .st_mode = S_IFDIR };

        if (source_fd >= 0 && fstat(source_fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return path_mkdirs_in_root(run->root_fd, m->target, 0755, uid, uid);

        const char *name = path_last(m->target);
        parent = strndup(m->target, (size_t) (name - m->target));
        if (!parent)
                return -ENOMEM;
        _cleanup_fd_ int dir = path_mkdirs_in_root(run->root_fd, parent, 0755, uid, uid);
        if (dir < 0)
                return dir;
        _cleanup_fd_ int fd = openat(dir, name,
                                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        if (uid != 0 && fchown(fd, uid, uid) < 0)
                return -errno;
        return path_open_in_root(run->root_fd, m->target, O_PATH, 0);
}

/* Makes a missing mount point of the kind that the source is. */
static int make_target(const MountItem *m, int source_fd, uid_t uid, Run *run) {
        int r = mount_act_as(uid);

        if (r >= 0)
                r = make_target_as(m, source_fd, uid, run);
        (void) mount_act_as(0);
        return r;
}

/* A place that need not be looked up through the image: @name in a file system of our own, or, where
 * @name is "", what @fd is. */
typedef struct Place {
        int fd; /* borrowed */
        const char *name;
} Place;

/* Makes it what relative paths start at. */
static int go_to(int fd, Run *run) {
        if (run->cwd_fd == fd)
                return 0;
        run->cwd_fd = fchdir(fd) < 0 ? -EBADF : fd;
        return run->cwd_fd < 0 ? -errno : 0;
}

static const char *const bases[RUN_BASES] = { "/dev", "/run", "/proc", "/sys" };

/* What lies in a file system of ours is reached from that: no folder of the image, which somebody may
 * swap for a link meanwhile, is walked through again. */
static bool find_in_base(const Run *run, const char *path, Place *ret) {
        for (size_t i = 0; i < RUN_BASES; i++) {
                const char *rest = str_skip_prefix(path, bases[i]);
                if (run->base_fds[i] < 0 || !rest || rest[0] != '/')
                        continue;
                *ret = (Place){ run->base_fds[i], rest + 1 };
                return true;
        }
        return false;
}

static void remember_base(const MountItem *m, int fd, Run *run) {
        for (size_t i = 0; i < RUN_BASES; i++)
                if (m->flags & MOUNT_NO_SYMLINK && streq(m->target, bases[i]))
                        run->base_fds[i] = fd;
}

static int open_target(const MountItem *m, int source_fd, uid_t uid, Run *run, Error *e) {
        int fd;

        if (m->flags & MOUNT_NO_SYMLINK)
                fd = path_open_beneath(run->root_fd, m->target + 1, O_PATH | O_NOFOLLOW, 0);
        else
                fd = path_open_in_root(run->root_fd, m->target, O_PATH, 0);
        if (fd == -ENOENT && m->flags & MOUNT_MAKE_TARGET)
                fd = make_target(m, source_fd, uid, run);
        if (fd == -ENOENT && m->flags & MOUNT_IF_PRESENT)
                return fd;
        if (fd == -ELOOP)
                return error_set(e, fd, "'%s' of the image is a symlink", m->target);
        if (fd < 0)
                return error_set(e, fd, "no mount point '%s' in the image: %m", m->target);
        return fd;
}

/* Return: 0; -ENOENT when the mount point is missing and may be; -errno.
 * @ret_fd: what @ret borrows, to be closed by the caller; not set when there is nothing to close */
static int find_target(const MountItem *m, int source_fd, uid_t uid, Run *run, Place *ret,
                       int *ret_fd, Error *e) {
        if (!(m->flags & MOUNT_MAKE_TARGET) && find_in_base(run, m->target, ret))
                return 0;
        int fd = open_target(m, source_fd, uid, run, e);
        if (fd < 0)
                return fd;
        *ret = (Place){ fd, "" };
        *ret_fd = fd;
        return 0;
}

static int attach(int mount_fd, const Place *p) {
        return p->name[0] ? mount_attach_at(mount_fd, p->fd, p->name)
                          : mount_attach(mount_fd, p->fd);
}

static int copy_tree(const Place *p, unsigned flags) {
        int fd = open_tree(p->fd, p->name,
                           CLONE_TREE | AT_SYMLINK_NOFOLLOW | flags |
                                   (p->name[0] ? 0 : AT_EMPTY_PATH));

        return fd < 0 ? -errno : fd;
}

/* The notify socket lives in the tmpfs itself: bound by a relative path, so nothing is resolved. */
static int bind_notify(int dir_fd, uid_t uid, Run *run, Error *e) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX,
                                                    .sun_path = "host/notify" };

        if (run->notify_fd < 0)
                return 0;
        if (go_to(dir_fd, run) < 0 ||
            bind(run->notify_fd, (const struct sockaddr *) &address, sizeof address) < 0 ||
            fchmodat(dir_fd, address.sun_path, 0200, 0) < 0 ||
            (uid != 0 && fchownat(dir_fd, address.sun_path, uid, uid, AT_SYMLINK_NOFOLLOW) < 0))
                return error_set(e, errno, "cannot make the notify socket: %m");
        return 0;
}

/* Whether we are in a machine with users of its own ourselves. There, sysfs may not be mounted if what we
 * see of it is not all of it, or our network is not ours; then parts of what we see are shown. */
static bool is_in_machine(const MountItem *m, const Run *run) {
        return (m->phase == PHASE_BUILD || run->ids.n == 0) && !userns_is_first();
}

/* Only those parts of sysfs that tell of devices and interfaces, on a tmpfs. The whole sysfs is first
 * put over the /sys of the host as this namespace sees it, for parts cannot be taken out of a detached
 * mount before Linux 6.15; it goes away with the old root. */
static int make_sys_parts(const MountItem *m, const Place *target, Run *run, Error *e) {
        static const char *const parts[] = { "block", "bus", "class", "dev", "devices", "kernel" };
        int sys = mount_new("sysfs", NULL, NOTHING_ATTRIBUTES, e), r = 0;

        if (sys >= 0)
                r = mount_attach_at(sys, AT_FDCWD, "/sys");
        else if (sys == -EPERM && is_in_machine(m, run))
                sys = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (sys < 0)
                return sys;
        if (r < 0)
                return error_set(e, r, "cannot attach sysfs: %m");

        int tmp = mount_new("tmpfs", m->options ? m->options : "mode=0555,size=4m,nr_inodes=1k",
                            m->attributes & ~(uint64_t) MOUNT_ATTR_RDONLY, e);
        if (tmp < 0)
                return tmp;
        r = attach(tmp, target);
        if (r < 0)
                return r;
        remember_base(m, tmp, run);
        if (mkdirat(tmp, "fs", 0755) < 0 || mkdirat(tmp, "fs/cgroup", 0755) < 0 ||
            mkdirat(tmp, "fs/bpf", 0755) < 0)
                return error_set(e, errno, "cannot make directories for /sys: %m");

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                int part = open_tree(sys, parts[i], CLONE_TREE | AT_RECURSIVE);
                if (part < 0 && errno == ENOENT)
                        continue;
                if (part < 0 || mkdirat(tmp, parts[i], 0555) < 0)
                        return error_set(e, errno, "cannot make /sys/%s: %m", parts[i]);
                r = set_attributes(part, m->attributes, 0, false);
                if (r >= 0)
                        r = mount_attach_at(part, tmp, parts[i]);
                if (r < 0)
                        return error_set(e, r, "cannot make /sys/%s: %m", parts[i]);
        }
        return set_attributes(tmp, MOUNT_ATTR_RDONLY, 0, false);
}

static int copy_from_image(const MountItem *m, unsigned flags, Run *run, Error *e) {
        Place p;
        int r;

        if (!(m->flags & MOUNT_MAKE_TARGET) && find_in_base(run, m->source, &p))
                r = copy_tree(&p, flags);
        else {
                _cleanup_fd_ int fd = path_open_in_root(run->root_fd, m->source, O_PATH, 0);
                if (fd < 0)
                        return error_set(e, fd, "cannot open '%s' of the image: %m", m->source);
                r = copy_tree(&(Place){ fd, "" }, flags);
        }
        return r < 0 ? error_set(e, r, "cannot copy the mount at '%s': %m", m->source) : r;
}

/* A detached mount of what the item is about. -ENOENT: what it is about is missing and may be. */
static int make_mount(const MountPlan *plan, size_t index, int source_fd, const Place *target,
                      Run *run, Error *e) {
        const MountItem *m = plan->items + index;
        unsigned recursive = m->flags & MOUNT_RECURSIVE ? AT_RECURSIVE : 0;
        int fd;

        switch (m->type) {
        case MOUNT_HOST:
                return source_fd;
        case MOUNT_SELF:
                fd = copy_tree(target, recursive);
                if (fd == -ENOENT && m->flags & MOUNT_IF_PRESENT)
                        return fd;
                return fd < 0 ? error_set(e, fd, "cannot copy the mount: %m") : fd;
        case MOUNT_IMAGE:
                return copy_from_image(m, recursive, run, e);
        case MOUNT_OVERLAY:
                return overlay_mount(plan, index, run, e);
        default:
                if (m->flags & MOUNT_OWN_GROUP)
                        return run->source_fds[index];
                return mount_new(m->fs ? m->fs : fs_types[m->type], m->options, m->attributes, e);
        }
}

/* The flags of mount(2) for the attributes that file systems and views of our own have. */
static unsigned long old_flags(uint64_t attributes) {
        static const struct {
                uint64_t attribute;
                unsigned long flag;
        } pairs[] = {
                { MOUNT_ATTR_RDONLY, MS_RDONLY },
                { MOUNT_ATTR_NOSUID, MS_NOSUID },
                { MOUNT_ATTR_NODEV, MS_NODEV },
                { MOUNT_ATTR_NOEXEC, MS_NOEXEC },
                { MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
        };
        unsigned long flags = 0;

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++)
                if (attributes & pairs[i].attribute)
                        flags |= pairs[i].flag;
        return flags;
}

/* Where nothing of the image is walked through and nothing has to be done before it is attached, one
 * mount(2) does what takes up to ten calls of the newer kind.
 * Return: 1 mounted; 0 this one is not such; -ENOENT what it is about is missing; -errno. */
static int mount_at_once(const MountItem *m, const Place *target, Run *run) {
        const char *name = target->name[0] ? target->name : ".", *type = fs_types[m->type];
        char source[FD_PATH_MAX + PATH_MAX];
        char fd_text[FD_PATH_MAX];
        Place from;

        if (m->flags & MOUNT_PLAIN) {
                if (go_to(target->fd, run) < 0 ||
                    mount(type, name, type, old_flags(m->attributes), m->options) < 0)
                        return -errno;
                return 1;
        }
        if (!target->name[0] || m->flags & MOUNT_MAKE_TARGET || m->view)
                return 0;
        if (m->type == MOUNT_IMAGE && find_in_base(run, m->source, &from)) {
                (void) snprintf(source, sizeof source, "%s/%s", fd_path(from.fd, fd_text),
                                from.name);
                if (go_to(target->fd, run) < 0 || mount(source, name, NULL, MS_BIND, NULL) < 0)
                        return -errno;
                return 1;
        }
        if (m->type != MOUNT_SELF)
                return 0;
        if (go_to(target->fd, run) < 0 ||
            mount(name, name, NULL, MS_BIND | (m->flags & MOUNT_RECURSIVE ? MS_REC : 0), NULL) <
                    0 ||
            mount(NULL, name, NULL, MS_REMOUNT | MS_BIND | old_flags(m->attributes), NULL) < 0)
                return -errno;
        return 1;
}

/* Attributes of a bind; file systems of our own have theirs from the start. */
static int dress(const MountItem *m, int fd, const Place *target, Run *run, Error *e) {
        bool deep = m->flags & MOUNT_RECURSIVE && m->type != MOUNT_SELF;
        uint64_t clear = 0;

        if (m->type != MOUNT_HOST && m->type != MOUNT_IMAGE && m->type != MOUNT_SELF)
                return 0;
        /* What we take from /run/host ourselves has the attributes of that. */
        if (m->type == MOUNT_IMAGE && !(m->flags & MOUNT_MAKE_TARGET))
                return 0;
        if (m->type == MOUNT_SELF && !(m->attributes & MOUNT_ATTR_RDONLY))
                clear = MOUNT_ATTR_RDONLY;

        struct mount_attr attr = { .attr_set = m->attributes,
                                   .attr_clr = clear,
                                   .propagation = MS_PRIVATE };
        if (mount_setattr(fd, "", AT_EMPTY_PATH | (deep ? AT_RECURSIVE : 0), &attr, sizeof attr) <
            0)
                return error_set(e, errno, "cannot set its attributes: %m");
        return m->idmap == MOUNT_IDMAP_NO ? 0
                                          : bind_map_apply(m, fd, target->fd, target->name, run, e);
}

/* Whether what one reaches at @p, which is in a file system of ours, is on a read-only mount. */
static int check_read_only(const Place *p, Run *run, Error *e) {
        struct statfs fs;

        if (go_to(p->fd, run) < 0 || statfs(p->name, &fs) < 0)
                return error_set(e, errno, "cannot check it: %m");
        return fs.f_flags & ST_RDONLY ? 0 : error_set(e, EPERM, "it is still writable");
}

/* Fail closed: what was to be hidden must be seen to be hidden, what was to be read-only to be that, and
 * the proc in which all that is must be the one that is seen. */
static int verify(const MountItem *m, int fd, const Place *p, Run *run, Error *e) {
        struct stat st, seen;

        if (m->type == MOUNT_PROC && streq(m->target, "/proc")) {
                if (fstat(fd, &st) < 0 ||
                    fstatat(run->root_fd, "proc", &seen, AT_SYMLINK_NOFOLLOW) < 0)
                        return error_set(e, errno, "cannot check it: %m");
                if (st.st_dev != seen.st_dev)
                        return error_set(e, EPERM, "what is seen there is something else");
        } else if (m->flags & MOUNT_MASK) {
                if (fstatat(p->fd, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return error_set(e, errno, "cannot check the mask: %m");
                if (!S_ISREG(st.st_mode) || st.st_mode & 07777 || st.st_size != 0)
                        return error_set(e, EPERM, "the mask did not take hold");
        } else if (m->type == MOUNT_SELF && m->view) {
                return oci_mount_see(fd, m->target, run, e);
        } else if (m->type == MOUNT_SELF && m->attributes & MOUNT_ATTR_RDONLY) {
                return check_read_only(p, run, e);
        } else if (m->type == MOUNT_HOST && m->attributes & MOUNT_ATTR_RDONLY) {
                struct statfs fs;

                if (fstatfs(fd, &fs) < 0)
                        return error_set(e, errno, "cannot check it: %m");
                if (!(fs.f_flags & ST_RDONLY))
                        return error_set(e, EPERM, "it is still writable");
        }
        return 0;
}

static int fill(const MountItem *m, int fd, uid_t uid, const NodePlan *dev,
                const NodePlan *fill_run, Run *run, Error *e) {
        int r = 0;

        if (m->flags & MOUNT_FILL_DEV)
                r = node_plan_apply(dev, fd, uid, e);
        if (m->flags & MOUNT_FILL_RUN) {
                r = node_plan_apply(fill_run, fd, uid, e);
                if (r >= 0)
                        r = bind_notify(fd, uid, run, e);
        }
        return r;
}

/* What is mounted over the root becomes the root, before anything is mounted in it. */
static int replace_root(const MountPlan *plan, size_t index, Run *run, Error *e) {
        const MountItem *m = plan->items + index;
        const Place old = { run->root_fd, "" };
        struct stat st;
        int fd = make_mount(plan, index, run->source_fds[index], &old, run, e), r;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
                return error_set(e, ENOTDIR, "it is not a directory");
        r = dress(m, fd, &old, run, e);
        if (r < 0)
                return r;
        r = mount_attach_at(fd, AT_FDCWD, run->runtime);
        if (r < 0)
                return error_set(e, r, "cannot attach it: %m");
        (void) fd_close(run->root_fd);
        run->root_fd = fd;
        run->cwd_fd = -EBADF;
        return root_make_base(run, e);
}

/* Nothing can be mounted on a symlink, which the kernel calls an invalid argument. */
static int explain_place(const Place *p, int r, const char *verb, Error *e) {
        struct stat st;

        if (fstatat(p->fd, p->name, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) >= 0 &&
            S_ISLNK(st.st_mode))
                return error_set(e, ELOOP, "this is a symlink in the image");
        return error_set(e, r, "cannot %s it: %m", verb);
}

static bool is_there(const MountItem *m, const Run *run) {
        _cleanup_fd_ int fd = path_open_in_root(run->root_fd, m->target, O_PATH, 0);

        return fd >= 0;
}

/* Users of a container that has the network of others may not mount a sysfs. They see ours, which was mounted
 * for that. */
static int copy_host_sys(const MountItem *m, Error *e) {
        int fd = open_tree(AT_FDCWD, "/sys", CLONE_TREE);

        if (fd < 0)
                return error_set(e, errno, "cannot copy the mount at /sys: %m");
        int r = set_attributes(fd, m->attributes, 0, false);
        return r < 0 ? error_set(e, r, "cannot set its attributes: %m") : fd;
}

/* Items that are not made and then attached. Return: 1 done; 0 this one is; -errno. */
static int apply_other(const MountPlan *plan, size_t index, const NodePlan *dev, Run *run,
                       Error *e) {
        const MountItem *m = plan->items + index;
        int r = 0;

        switch (m->type) {
        case MOUNT_LAYER:
                break;
        case MOUNT_CLOSE:
                r = oci_mount_close(m, run, e);
                break;
        case MOUNT_COVER:
                r = oci_mount_cover(m, run, e);
                break;
        case MOUNT_NODES:
                r = oci_nodes_apply(dev, m->document, run, e);
                break;
        case MOUNT_INACCESSIBLE:
                r = inaccessible_apply(m->target, m->attributes, run, e);
                break;
        default:
                if (m->type == MOUNT_HOST && run->source_fds[index] < 0)
                        break;
                if (!streq(m->target, "/"))
                        return 0;
                r = replace_root(plan, index, run, e);
        }
        return r < 0 ? r : 1;
}

/* What goes into a file system of ours, and as whom that is made. */
typedef struct Filling {
        const NodePlan *dev, *run;
        uid_t uid;
} Filling;

/* Puts a detached mount in its place, once it is as it is to be.
 * @existed:  the place had not to be made */
static int put(const MountItem *m, int fd, const Place *target, bool existed, const Filling *f,
               Run *run, Error *e) {
        int r = m->view ? oci_mount_dress(m, fd, target->fd, existed, e)
                        : dress(m, fd, target, run, e);

        if (r >= 0)
                r = fill(m, fd, f->uid, f->dev, f->run, run, e);
        if (r < 0)
                return r;
        int stand_ins = r;
        r = attach(fd, target);
        if (r == -ENOENT && m->flags & MOUNT_IF_PRESENT)
                return fd_close(fd), 0;
        if (r < 0)
                return explain_place(target, r, "attach", e);
        if (stand_ins > 0 && m->flags & MOUNT_FILL_DEV) {
                r = node_plan_bind(f->dev, fd, e);
                if (r < 0)
                        return r;
        }
        remember_base(m, fd, run);
        return verify(m, fd, target, run, e);
}

static int apply_item(const MountPlan *plan, size_t index, const NodePlan *dev,
                      const NodePlan *fill_run, Run *run, Error *e) {
        const MountItem *m = plan->items + index;
        int source = m->type == MOUNT_HOST ? run->source_fds[index] : -EBADF;
        int r = apply_other(plan, index, dev, run, e);
        /* In PHASE_INNER we are root inside already; before it, root outside. */
        uid_t uid = m->phase == PHASE_BUILD ? run->uid_base : 0;
        _cleanup_fd_ int to_close = -EBADF;
        Place target;

        if (r != 0)
                return MIN(r, 0);
        bool existed = m->view && m->type == MOUNT_TMPFS && is_there(m, run);
        r = find_target(m, source, uid, run, &target, &to_close, e);
        if (r == -ENOENT && m->flags & MOUNT_IF_PRESENT)
                return 0;
        if (r < 0)
                return r;
        /* Of what every machine has, the mount points may stay open: there are few of them. */
        if (m->flags & (MOUNT_NO_SYMLINK | MOUNT_PLAIN))
                to_close = -EBADF;
        if (m->type == MOUNT_SYS_PARTS)
                return make_sys_parts(m, &target, run, e);

        r = mount_at_once(m, &target, run);
        if (r == -ENOENT && m->flags & MOUNT_IF_PRESENT)
                return 0;
        if (r < 0)
                return explain_place(&target, r, "mount", e);
        if (r > 0)
                return verify(m, -EBADF, &target, run, e);

        int fd = make_mount(plan, index, source, &target, run, e);
        if (fd == -EPERM && m->type == MOUNT_SYSFS && is_in_machine(m, run))
                return make_sys_parts(m, &target, run, e);
        if (fd == -EPERM && m->type == MOUNT_SYSFS && m->view)
                fd = copy_host_sys(m, e);
        if (fd == -ENOENT && m->flags & MOUNT_IF_PRESENT && m->type == MOUNT_SELF)
                return 0;
        if (fd < 0)
                return fd;
        if (m->flags & MOUNT_CLOSE_LATER)
                run->source_fds[index] = fd;
        return put(m, fd, &target, existed, &(Filling){ dev, fill_run, uid }, run, e);
}

int mount_apply(const MountPlan *plan, Phase phase, const NodePlan *dev, const NodePlan *fill_run,
                Run *run, Error *e) {
        run->cwd_fd = -EBADF;
        for (size_t i = 0; i < plan->n; i++) {
                int r;

                if (plan->items[i].phase != phase)
                        continue;
                r = apply_item(plan, i, dev, fill_run, run, e);
                if (r < 0)
                        return error_wrap(e, r, "mounting %s", plan->items[i].target);
        }
        return 0;
}
