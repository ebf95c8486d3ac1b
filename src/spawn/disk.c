/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts disk images, see disk.h. Reads no byte of them: that is skep-dissect's, and the kernel's. */
#include "spawn/disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/path.h"
#include "image/dissect-aide.h"
#include "image/grow.h"
#include "image/loop.h"
#include "spawn/mount.h"
#include "spawn/overlay.h"
#include "spawn/owners.h"

void disk_init(Disk *d) {
        *d = (Disk){ .fd = -EBADF, .upper_fd = -EBADF, .verity = VERITY_NULL };
        for (size_t i = 0; i < DISK_MOUNTS_MAX; i++)
                d->mount_fds[i] = d->device_fds[i] = -EBADF;
}

void disk_unmount(Disk *d) {
        for (size_t i = 0; i < DISK_MOUNTS_MAX; i++)
                d->mount_fds[i] = fd_close(d->mount_fds[i]);
}

void disk_done(Disk *d) {
        disk_unmount(d);
        for (size_t i = 0; i < DISK_MOUNTS_MAX; i++)
                d->device_fds[i] = fd_close(d->device_fds[i]);
        d->fd = fd_close(d->fd);
        verity_done(&d->verity);
        dissection_done(&d->found);
        disk_init(d);
}

int disk_usr(const Disk *d) {
        for (size_t i = 0; i < d->plan.n; i++)
                if (d->plan.mounts[i].designator == PARTITION_USR)
                        return d->mount_fds[i];
        return -EBADF;
}

/* Opens the image, for writing if it is to be written to and can be. */
static int open_image(const Spec *spec, Disk *d, Error *e) {
        const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
        bool read_only = !spec_writes_image(spec) || spec->dry_run;
        struct stat st;

        d->fd = read_only ? -EBADF : open(spec->image, O_RDWR | flags);
        d->writable = d->fd >= 0;
        if (d->fd < 0 && (read_only || errno == EROFS || errno == EACCES || errno == EPERM))
                d->fd = open(spec->image, O_RDONLY | flags);
        if (d->fd < 0 || fstat(d->fd, &st) < 0)
                return error_set(e, errno, "cannot open the image '%s': %m", spec->image);
        if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_set(e, EINVAL, "'%s' is neither a file nor a block device%s",
                                 spec->image,
                                 S_ISDIR(st.st_mode) ? "; --directory= is for directories" : "");
        d->is_device = S_ISBLK(st.st_mode);
        return 0;
}

int disk_open(const Spec *spec, Disk *d, Error *e) {
        const VerityOptions given = { .root_hash = spec->root_hash,
                                      .signature = spec->root_hash_sig,
                                      .tree = spec->verity_data };
        int r = open_image(spec, d, e);

        if (r >= 0)
                r = verity_read(spec->image, d->fd, &given, &d->verity, e);
        if (r < 0)
                return r;
        /* A hash tree that is elsewhere is one of the whole image. */
        r = dissect_image(d->fd, d->verity.tree_fd >= 0, &d->found, e);
        if (r < 0)
                return error_wrap(e, r, "'%s'", spec->image);
        r = verity_embed(&d->verity, &d->found, e);
        if (r < 0)
                return r;
        return disk_plan(spec, &d->found, &d->verity, d->writable, spec->image, &d->plan, e);
}

static int damaged(int r) {
        return r == -EINVAL || r == -EUCLEAN || r == -EBADMSG || r == -EIO;
}

/* Mounts a file system from what @source leads to. */
static int mount_source(const DiskMount *m, const char *source, Error *e) {
        _cleanup_free_ char *options = str_format("source=%s%s%s%s", source,
                                                  m->read_only ? ",ro" : "", m->options ? "," : "",
                                                  strempty(m->options));
        Error problem = {};

        if (!options)
                return error_oom(e);
        int fd = mount_new(m->type, options, m->attributes | (m->read_only ? MOUNT_ATTR_RDONLY : 0),
                           &problem);
        if (fd == -ENODEV)
                return error_set(e, EPROTONOSUPPORT, "this kernel has no %s", m->type);
        if (fd < 0 && damaged(fd))
                return error_set(e, fd, "the %s is damaged, or made for another kernel (%s)",
                                 m->type, problem.text);
        if (fd < 0 && e)
                *e = problem;
        return fd;
}

/* A block device that is the partition and nothing else. */
static int open_partition(const Disk *d, const Partition *p, bool read_only, Error *e) {
        LoopRange range = { .offset = p->offset,
                            .size = p->number == 0 ? 0 : p->size,
                            .sector_size = d->found.sector_size,
                            .read_only = read_only };

        if (d->is_device && p->number == 0) {
                int fd = fcntl(d->fd, F_DUPFD_CLOEXEC, 3);
                return fd < 0 ? error_set(e, errno, "cannot keep the device open: %m") : fd;
        }
        return loop_attach(d->fd, &range, e);
}

/* One that cannot be made larger is as good as it was. */
static int grow(const DiskMount *m, int mount_fd, int device, Buf *notes, Error *e) {
        char text[DISK_MOUNT_TEXT_MAX];
        uint64_t size;
        int r = ioctl(device, BLKGETSIZE64, &size) < 0 ? -errno
                                                       : grow_file_system(mount_fd, m->type, size);

        if (r < 0 && buf_printf(notes, "the %s of %s does not grow: %s\n", m->type,
                                disk_mount_describe(m, text), error_errno_text(r)) < 0)
                return error_oom(e);
        return 0;
}

/* The hash tree as a block device. Return: -EBADF the partition has none; other -errno. */
static int open_hash_tree(const Disk *d, const Protection *p, Error *e) {
        const LoopRange whole = { .sector_size = 512, .read_only = true };
        struct stat st;

        if (p->use != PARTITION_CHECKED && p->use != PARTITION_SIGNED)
                return -EBADF;
        if (p->tree)
                return open_partition(d, p->tree, true, e);
        if (fstat(d->verity.tree_fd, &st) >= 0 && S_ISREG(st.st_mode))
                return loop_attach(d->verity.tree_fd, &whole, e);
        int fd = fcntl(d->verity.tree_fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? error_set(e, errno, "cannot keep the hash tree open: %m") : fd;
}

/* What a decrypted device holds, which nobody could see before. */
static int look_inside(const Spec *spec, DiskMount *m, int device_fd, Error *e) {
        _cleanup_(dissection_done) Dissection inside = {};
        int r = dissect_image(device_fd, true, &inside, e);

        if (r < 0)
                return error_wrap(e, r, "it is decrypted, but");
        (void) snprintf(m->partition.fstype, sizeof m->partition.fstype, "%s",
                        inside.partitions[0].fstype);
        (void) disk_mount_set_type(m, m->partition.fstype);
        return image_policy_check_file_system(&spec->image_policy, m->designator,
                                              m->partition.fstype, e);
}

/* The device over a protected partition, made at the first start. */
static int open_protected(const Spec *spec, Disk *d, size_t i, Buf *notes, Error *e) {
        DiskMount *m = d->plan.mounts + i;
        const Protection *p = &m->protection;
        _cleanup_fd_ int device = -EBADF, tree = open_hash_tree(d, p, e);
        char text[DISK_MOUNT_TEXT_MAX];
        Error problem = {};
        int r;

        if (tree < 0 && tree != -EBADF)
                return tree;
        device = open_partition(d, &m->partition, m->read_only, e);
        if (device < 0)
                return device;
        r = protect_open(spec, p, &d->verity, partition_designator_name(m->designator), device,
                         tree, m->read_only, &d->device_fds[i], &problem);
        if (r > 0) {
                d->device_fds[i] = TAKE_FD(device);
                return buf_printf(notes, "%s is used without verity: %s\n",
                                  disk_mount_describe(m, text), problem.text) < 0
                               ? error_oom(e)
                               : 0;
        }
        if (r < 0) {
                if (e)
                        *e = problem;
                return r;
        }
        return p->use == PARTITION_DECRYPTED || p->use == PARTITION_DECRYPTED_CHECKED
                       ? look_inside(spec, m, d->device_fds[i], e)
                       : 0;
}

static int mount_partition(const Spec *spec, Disk *d, size_t i, Buf *notes, Error *e) {
        const DiskMount *m = d->plan.mounts + i;
        char path[BLOCK_PATH_MAX];
        _cleanup_fd_ int device = -EBADF;

        if (m->protection.use != PARTITION_PLAIN && d->device_fds[i] < 0) {
                int r = open_protected(spec, d, i, notes, e);
                if (r < 0)
                        return r;
        }
        if (!m->type)
                return error_set(e, EMEDIUMTYPE,
                                 m->partition.fstype[0]
                                         ? "we mount no file system of the type '%s' there"
                                         : "it holds no file system that we know%s",
                                 m->partition.fstype);
        /* Since Linux 6.12 this one needs no device. */
        if (d->device_fds[i] < 0 && streq(m->type, "erofs") && m->partition.number == 0 &&
            !d->is_device) {
                int fd = mount_source(m, fd_path(d->fd, path), NULL);
                if (fd >= 0)
                        return fd;
        }
        if (d->device_fds[i] < 0) {
                device = open_partition(d, &m->partition, m->read_only, e);
                if (device < 0)
                        return device;
        }
        int from = device >= 0 ? device : d->device_fds[i];
        _cleanup_fd_ int fd = mount_source(m, block_path(from, path), e);
        if (fd < 0)
                return fd;
        int r = m->grows ? grow(m, fd, from, notes, e) : 0;
        return r < 0 ? r : TAKE_FD(fd);
}

int disk_mount_all(const Spec *spec, Disk *d, Run *run, Buf *notes, Error *e) {
        disk_unmount(d);
        for (size_t i = 0; i < d->plan.n; i++) {
                const DiskMount *m = d->plan.mounts + i;
                char text[DISK_MOUNT_TEXT_MAX];
                Error problem = {};
                int fd = mount_partition(spec, d, i, notes, &problem);

                /* No machine needs the files of its boot loader to run. */
                if (fd == -EPROTONOSUPPORT && m->needs_empty) {
                        if (buf_printf(notes, "%s is not mounted: %s\n",
                                       disk_mount_describe(m, text), problem.text) < 0)
                                return error_oom(e);
                        continue;
                }
                if (fd < 0) {
                        if (e)
                                *e = problem;
                        return m->partition.number == 0
                                       ? error_wrap(e, fd, "'%s'", spec->image)
                                       : error_wrap(e, fd, "%s of '%s'",
                                                    disk_mount_describe(m, text), spec->image);
                }
                d->mount_fds[i] = fd;
        }

        /* The root is the run's, as any other root. */
        (void) fd_close(run->root_fd);
        run->root_fd = TAKE_FD(d->mount_fds[0]);
        return 0;
}

static bool is_empty(int dir_fd) {
        _cleanup_fd_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir)
                return false;
        (void) TAKE_FD(fd);
        for (const struct dirent *de; (de = readdir(dir));)
                /* A fresh ext4 has this. */
                if (!streq(de->d_name, ".") && !streq(de->d_name, "..") &&
                    !streq(de->d_name, "lost+found"))
                        return false;
        return true;
}

/* Return: an O_PATH descriptor of the mount point; -ENOENT it stays unmounted; -errno. */
static int open_target(const DiskMount *m, const Run *run, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(m->targets) && m->targets[i]; i++) {
                const char *target = m->targets[i];
                int fd = path_open_in_root(run->root_fd, target, O_PATH | O_DIRECTORY, 0);

                if (m->needs_empty && fd >= 0 && !is_empty(fd))
                        fd = fd_close(fd), fd = -ENOENT;
                if (fd == -ENOENT && !m->needs_empty) {
                        fd = mount_act_as(run->uid_base);
                        if (fd >= 0)
                                fd = path_mkdirs_in_root(run->root_fd, target, 0755, run->uid_base,
                                                         run->uid_base);
                        (void) mount_act_as(0);
                }
                if (fd >= 0)
                        return fd;
                if (!m->needs_empty)
                        return error_set(e, fd, "no directory '%s' in the image to mount it on: %m",
                                         target);
        }
        return -ENOENT;
}

/* Where what is written over the partitions goes, as for the root: in memory for good or for this start, or
 * on the disk. It has to be below the root, not on it. */
static int open_upper(const Spec *spec, Disk *d, const Run *run, Error *e) {
        if (run->upper_fd >= 0)
                d->upper_fd = fcntl(run->upper_fd, F_DUPFD_CLOEXEC, 3);
        else if (run->ephemeral_fd >= 0)
                d->upper_fd = open(run->runtime, O_PATH | O_DIRECTORY | O_CLOEXEC);
        else if (spec->volatile_mode == VOLATILE_OVERLAY) {
                d->upper_fd = mount_new("tmpfs", "mode=0700,size=25%,nr_inodes=1m",
                                        MOUNT_ATTR_NODEV, e);
                if (d->upper_fd < 0)
                        return d->upper_fd;
                int r = mount_attach_at(d->upper_fd, AT_FDCWD, run->runtime);
                return r < 0 ? error_set(e, r, "cannot attach an upper layer: %m") : 0;
        } else
                return 0;
        return d->upper_fd < 0 ? error_set(e, errno, "cannot open the upper layer: %m") : 0;
}

/* What is attached on @target_fd gets a throw-away layer over it. */
static int attach_overlay(const Spec *spec, const DiskMount *m, int lower, int target_fd,
                          int upper_fd, Run *run, Error *e) {
        _cleanup_fd_ int dir = -EBADF, upper = -EBADF, work = -EBADF, fd = -EBADF;
        const char *name = partition_designator_name(m->designator);
        bool read_only = spec->read_only && spec->volatile_mode == VOLATILE_NO;

        if (mkdirat(upper_fd, name, 0700) < 0 && errno != EEXIST)
                return error_set(e, errno, "cannot make its upper layer: %m");
        dir = openat(upper_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return error_set(e, errno, "cannot open its upper layer: %m");
        int r = overlay_open_upper(dir, lower, &upper, &work, e);
        if (r < 0)
                return r;
        fd = overlay_new(&lower, 1, upper, work,
                         m->attributes | (read_only ? MOUNT_ATTR_RDONLY : 0), e);
        run->cwd_fd = -EBADF;
        if (fd < 0)
                return fd;
        r = mount_attach(fd, target_fd);
        return r < 0 ? error_set(e, r, "cannot attach the layer over it: %m") : 0;
}

int disk_change_owners(const Disk *d, uid_t base, Error *e) {
        for (size_t i = 1; i < d->plan.n; i++) {
                const DiskMount *m = d->plan.mounts + i;
                char text[DISK_MOUNT_TEXT_MAX];

                /* What a boot loader reads has no owners. */
                if (d->mount_fds[i] < 0 || m->read_only || m->needs_empty)
                        continue;
                int r = owners_change(d->mount_fds[i], base, e);
                if (r < 0)
                        return error_wrap(e, r, "%s", disk_mount_describe(m, text));
        }
        return 0;
}

static int attach_mount(const Spec *spec, const DiskMount *m, int fd, int upper_fd,
                        const IdPlan *ids, Run *run, Error *e) {
        struct mount_attr attr = { .attr_set = m->read_only ? MOUNT_ATTR_RDONLY : 0,
                                   .propagation = MS_PRIVATE };
        _cleanup_fd_ int target = open_target(m, run, e);
        int r;

        if (target == -ENOENT && m->needs_empty)
                return 0;
        if (target < 0)
                return target;
        r = owners_set_attributes(ids, run->userns_fd, fd, &attr, e);
        if (r < 0)
                return r;
        r = mount_attach(fd, target);
        if (r < 0)
                return error_set(e, r, "cannot attach it: %m");
        /* No overlay can lie on a file system that does not tell capitals: what boot loaders read stays
         * read-only. */
        return upper_fd >= 0 && !streq(m->type, "vfat")
                       ? attach_overlay(spec, m, fd, target, upper_fd, run, e)
                       : 0;
}

static int attach_all(const Spec *spec, const IdPlan *ids, const Disk *d, int upper_fd, Run *run,
                      Error *e) {
        for (size_t i = 1; i < d->plan.n; i++) {
                const DiskMount *m = d->plan.mounts + i;
                char text[DISK_MOUNT_TEXT_MAX];

                if (d->mount_fds[i] < 0)
                        continue;
                int r = attach_mount(spec, m, d->mount_fds[i], upper_fd, ids, run, e);
                if (r < 0)
                        return error_wrap(e, r, "%s of '%s'", disk_mount_describe(m, text),
                                          spec->image);
        }
        return 0;
}

/* A root of which only /usr is used must have it all before that is taken. */
static int attach_usr(const Spec *spec, const Disk *d, Run *run, Error *e) {
        const IdPlan unmapped = {}; /* the whole is mapped later */
        int r = mount_attach_at(run->root_fd, AT_FDCWD, run->runtime);

        if (r < 0)
                return error_set(e, r, "cannot attach the root: %m");
        r = attach_all(spec, &unmapped, d, -EBADF, run, e);
        if (r < 0)
                return r;
        int fd = open_tree(run->root_fd, "",
                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
        if (fd < 0)
                return error_set(e, errno, "cannot copy the root: %m");
        (void) fd_close(run->root_fd);
        run->root_fd = fd;
        return 0;
}

int disk_attach_lower(const Spec *spec, Disk *d, Run *run, Error *e) {
        if (d->plan.n == 1)
                return 0;
        return spec->volatile_mode == VOLATILE_YES ? attach_usr(spec, d, run, e)
                                                   : open_upper(spec, d, run, e);
}

int disk_attach(const Spec *spec, const IdPlan *ids, const Disk *d, Run *run, Error *e) {
        return spec->volatile_mode == VOLATILE_YES ? 0
                                                   : attach_all(spec, ids, d, d->upper_fd, run, e);
}
