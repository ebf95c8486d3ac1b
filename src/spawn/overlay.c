/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes overlays, see overlay.h. The kernel takes layers by path only, and only such as are attached: each
 * is put on the runtime directory for as long as that takes, and named by its descriptor, so that no byte
 * of a path can be taken for a separator. */
#include "spawn/overlay.h"

#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/mount.h"
#include "spawn/scratch.h"

#define CLONE_ONE    (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
#define VALUE_MAX    255 /* the kernel's limit for one value */
#define LAYERS_PATH  "/proc/self/fd"
#define DIRECTORY_FD (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* "lowerdir=3:2:1", topmost first; what is too long for one value goes layer by layer (Linux 6.8). */
static int add_lowers(Buf *options, const int *lowers, size_t n) {
        _cleanup_(buf_done) Buf joined = {};
        int r = 0;

        for (size_t i = n; i > 0 && r >= 0; i--)
                r = buf_printf(&joined, "%s%d", i < n ? ":" : "", lowers[i - 1]);
        if (r < 0 || joined.n <= VALUE_MAX)
                return r < 0 ? r : buf_printf(options, "lowerdir=%s", joined.p);
        for (size_t i = n; i > 0 && r >= 0; i--)
                r = buf_printf(options, "%slowerdir+=" LAYERS_PATH "/%d", i < n ? "," : "",
                               lowers[i - 1]);
        return r;
}

/* What the kernel cannot write to it mounts read-only, without a word but in its log. */
static int check_writable(int fd_in, Error *e) {
        _cleanup_fd_ int fd = fd_in;
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return error_set(e, errno, "cannot look at the overlay: %m");
        if (fs.f_flags & ST_RDONLY)
                return error_set(e, EROFS, "the kernel cannot write to the upper layer");
        return TAKE_FD(fd);
}

int overlay_new(const int *lowers, size_t n, int upper, int work, uint64_t attributes, Error *e) {
        _cleanup_(buf_done) Buf options = {};
        int r;

        /* Short names: the limit is soon reached with many layers. */
        if (chdir(LAYERS_PATH) < 0)
                return error_set(e, errno, "cannot enter '" LAYERS_PATH "': %m");
        r = add_lowers(&options, lowers, n);
        if (r >= 0 && upper >= 0)
                r = buf_printf(&options, ",upperdir=%d,workdir=%d", upper, work);
        if (r < 0)
                return error_oom(e);
        int fd = mount_new("overlay", options.p, attributes, e);
        return fd >= 0 && upper >= 0 && !(attributes & MOUNT_ATTR_RDONLY) ? check_writable(fd, e)
                                                                          : fd;
}

int overlay_map_layer(int fd, const char *name, const Run *run, Error *e) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
        struct stat st;

        if (run->userns_fd < 0)
                return 0;
        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", name);
        if (id_ranges_has_outside(&run->ids, st.st_uid))
                return 0;
        attr.userns_fd = (uint64_t) run->userns_fd;
        if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) >= 0)
                return 0;
        return errno == EINVAL
                       ? error_set(e, EOPNOTSUPP, "the file system of '%s' cannot map IDs", name)
                       : error_set(e, errno, "cannot map the IDs of '%s': %m", name);
}

/* A copy of one mount, from below it. */
static int copy_mount(int fd, const char *path, const char *name, Error *e) {
        int copy = open_tree(fd, path, CLONE_ONE | (*path ? 0 : AT_EMPTY_PATH));

        return copy < 0 ? error_set(e, errno, "cannot open the layer '%s': %m", name) : copy;
}

int overlay_open_source(const MountPlan *plan, size_t item, const Run *run, int *ret, Error *e) {
        const MountItem *m = plan->items + item;
        const Scratch *scratch = scratch_find(run, m->source && *m->source ? item : SIZE_MAX);
        char number[32];
        int fd;

        *ret = -EBADF;
        if (!m->source || *m->source == '+')
                return 0;
        (void) snprintf(number, sizeof number, "%zu", item);
        if (m->type == MOUNT_LAYER)
                fd = copy_mount(AT_FDCWD, m->source, m->source, e);
        else if (!scratch)
                return error_set(e, ENOENT, "there is no directory for the overlay");
        else if (*m->source)
                fd = copy_mount(scratch->parent_fd, "", m->source, e);
        else
                fd = copy_mount(scratch->fd, number, "of its own", e);
        if (fd < 0)
                return fd;
        *ret = fd;
        return 0;
}

/* From the image as the machine sees it: mapped already. */
static int copy_from_image(const char *path, const Run *run, Error *e) {
        _cleanup_fd_ int fd = path_open_in_root(run->root_fd, path, O_PATH | O_DIRECTORY, 0);

        if (fd < 0)
                return error_set(e, fd, "cannot open '%s' of the image: %m", path);
        return copy_mount(fd, "", path, e);
}

static int attach(int fd, const char *name, const Run *run, Error *e) {
        int r = mount_attach_at(fd, AT_FDCWD, run->runtime);

        return r < 0 ? error_set(e, r, "cannot attach the layer '%s': %m", name) : 0;
}

/* Opens and attaches a lower layer. */
static int prepare_layer(const MountPlan *plan, size_t item, const Run *run, Error *e) {
        const MountItem *m = plan->items + item;
        int fd = run->source_fds[item], r = 0;

        if (*m->source == '+')
                r = fd = copy_from_image(m->source + 1, run, e);
        else
                r = overlay_map_layer(fd, m->source, run, e);
        if (r >= 0)
                r = attach(fd, m->source, run, e);
        return r < 0 ? r : fd;
}

/* The mount that upper and work directory are in. */
static int prepare_upper(const MountItem *m, size_t item, const Run *run, Error *e) {
        int fd = run->source_fds[item], r = 0;

        if (*m->source == '+') {
                const char *path = m->source + 1;
                _cleanup_free_ char *parent = strndup(path, (size_t) (path_last(path) - path));
                if (!parent)
                        return error_oom(e);
                r = fd = copy_from_image(parent, run, e);
        } else if (*m->source)
                r = overlay_map_layer(fd, m->source, run, e);
        if (r >= 0)
                r = attach(fd, m->source, run, e);
        return r < 0 ? r : fd;
}

/* The work directory comes last, and so tells that the upper one is complete. */
static int make_upper(int dir_fd, int top_fd) {
        struct stat st;

        if (faccessat(dir_fd, "work", F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return 0;
        if (fstat(top_fd, &st) < 0 || mkdirat(dir_fd, "upper", 0700) < 0 ||
            fchmodat(dir_fd, "upper", st.st_mode & 07777, 0) < 0 ||
            fchownat(dir_fd, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            mkdirat(dir_fd, "work", 0700) < 0)
                return -errno;
        return 0;
}

static int open_pair(int dir_fd, const char *upper_name, const char *work_name, int *ret_upper,
                     int *ret_work, Error *e) {
        _cleanup_fd_ int upper = openat(dir_fd, upper_name, DIRECTORY_FD);
        _cleanup_fd_ int work = openat(dir_fd, work_name, DIRECTORY_FD);

        if (upper < 0 || work < 0)
                return error_set(e, errno, "cannot open the upper layer '%s': %m", upper_name);
        *ret_upper = TAKE_FD(upper);
        *ret_work = TAKE_FD(work);
        return 0;
}

int overlay_open_upper(int dir_fd, int top_fd, int *ret_upper, int *ret_work, Error *e) {
        int r = make_upper(dir_fd, top_fd);

        if (r < 0)
                return error_set(e, r, "cannot make an upper layer: %m");
        return open_pair(dir_fd, "upper", "work", ret_upper, ret_work, e);
}

static int open_upper(const MountItem *m, size_t item, int fd, int top, const Run *run,
                      int *ret_upper, int *ret_work, Error *e) {
        const Scratch *beside = scratch_find(run, item);

        return beside ? open_pair(fd, path_last(m->source), beside->name, ret_upper, ret_work, e)
                      : overlay_open_upper(fd, top, ret_upper, ret_work, e);
}

int overlay_new_as_owner(const int *lowers, size_t n, int upper, int work, uint64_t attributes,
                         Run *run, Error *e) {
        struct stat st = {};
        int r;

        if (upper >= 0 && fstat(upper, &st) < 0)
                return error_set(e, errno, "cannot look at the upper layer: %m");
        r = mount_act_as(upper >= 0 && id_ranges_has_outside(&run->ids, st.st_uid) ? run->uid_base
                                                                                   : 0);
        if (r < 0)
                return error_set(e, r, "cannot act as root of the machine: %m");
        int fd = overlay_new(lowers, n, upper, work, attributes, e);
        run->cwd_fd = -EBADF;
        (void) mount_act_as(0);
        return fd;
}

int overlay_mount(const MountPlan *plan, size_t item, Run *run, Error *e) {
        const MountItem *m = plan->items + item;
        size_t n = m->n_layers, attached = 0;
        int upper = -EBADF, work = -EBADF, r = 0, fd;
        _cleanup_free_ int *lowers = calloc(n, sizeof *lowers);

        if (!lowers)
                return error_oom(e);
        for (; attached < n; attached++) {
                r = lowers[attached] = prepare_layer(plan, item - n + attached, run, e);
                if (r < 0)
                        return r;
        }
        if (m->source) {
                r = fd = prepare_upper(m, item, run, e);
                if (r >= 0)
                        r = open_upper(m, item, fd, lowers[n - 1], run, &upper, &work, e);
                if (r < 0)
                        return r;
                attached++;
        }

        fd = overlay_new_as_owner(lowers, n, upper, work, m->attributes, run, e);
        /* The overlay has copies of its own; these here would be on top of the machine's root. */
        for (; attached > 0 && fd >= 0; attached--)
                if (umount2(run->runtime, MNT_DETACH) < 0)
                        return error_set(e, errno, "cannot detach a layer: %m");
        return fd;
}
