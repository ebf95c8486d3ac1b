/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Views of a machine's image, see root-view.h. Everything is attached on run->runtime, one on the other: the
 * view last, what it is made of below it, gone with the host's root. */
#include "spawn/root-view.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/path.h"
#include "base/mount-child.h"
#include "spawn/mount.h"
#include "spawn/overlay.h"
#include "spawn/scratch.h"

#define CLONE_ONE       (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)
#define CLONE_ALL       (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)
#define VOLATILE_LIMITS "size=25%%,nr_inodes=1m" /* within a format */

static int attach(int fd, const Run *run, const char *what, Error *e) {
        int r = mount_attach_at(fd, AT_FDCWD, run->runtime);

        return r < 0 ? error_set(e, r, "cannot attach %s: %m", what) : 0;
}

/* The mount namespace that holds an upper layer in memory, for kernels that copy no detached mount. */
static int make_namespace(void *userdata, Error *e) {
        int r = mount_make_private(), fd;

        if (r < 0)
                return error_set(e, r, "cannot leave the host's mount propagation: %m");
        fd = mount_new("tmpfs", "mode=0700", MOUNT_ATTR_NODEV, e);
        r = fd < 0 ? fd : attach(fd, userdata, "the upper layer", e);
        if (r < 0)
                return r;
        int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        return ns < 0 ? error_set(e, errno, "cannot open the mount namespace: %m") : ns;
}

int root_view_prepare(Run *run, Error *e) {
        _cleanup_fd_ int fd = mount_new("tmpfs", "mode=0700", MOUNT_ATTR_NODEV, e);

        if (fd < 0)
                return fd;
        /* Since Linux 6.15. */
        _cleanup_fd_ int copy = open_tree(fd, "", CLONE_ONE);
        if (copy < 0)
                return mount_child(make_namespace, run, &run->ephemeral_fd, e);
        run->memory_fd = TAKE_FD(fd);
        return 0;
}

int root_view_enter(Run *run, Error *e) {
        return setns(run->ephemeral_fd, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0
                       ? error_set(e, errno, "cannot enter the upper layer's namespace: %m")
                       : 0;
}

/* A directory of the host as a mount of its own. It is a copy of one that other namespaces may share, and
 * what is mounted on it is not for them. */
static int open_apart(int dir_fd, const char *name) {
        struct mount_attr attr = { .propagation = MS_PRIVATE };
        _cleanup_fd_ int fd = open_tree(dir_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return -1;
        return TAKE_FD(fd);
}

int root_view_open_upper(Run *run, Error *e) {
        const Scratch *folder = scratch_find(run, SIZE_MAX);

        run->upper_fd = fd_close(run->upper_fd);
        if (run->ephemeral_fd >= 0)
                return 0;
        run->upper_fd = run->memory_fd >= 0
                                ? open_tree(run->memory_fd, "", CLONE_ONE)
                                : open_apart(folder ? folder->fd : -EBADF, SCRATCH_ROOT);
        return run->upper_fd < 0
                       ? error_set(e, errno, "cannot open the directory of the upper layer: %m")
                       : 0;
}

static const char *const usr_links[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };

/* Whether a link at the top leads into /usr: by itself, or by another such link. */
static bool leads_into_usr(const char *target) {
        target += *target == '/';
        for (size_t i = 0; i < ELEMENTSOF(usr_links); i++)
                if (streq(target, usr_links[i]))
                        return true;
        return str_skip_prefix(target, "usr/");
}

/* Return: 1 and the link at the top of the tree; 0 there is none; -EINVAL it is something else. */
static int read_link(int root_fd, const char *name, char ret[static 64]) {
        ssize_t n = readlinkat(root_fd, name, ret, 63);

        if (n < 0)
                return errno == ENOENT ? 0 : -EINVAL;
        ret[n] = '\0';
        return leads_into_usr(ret) ? 1 : -EINVAL;
}

/* With /usr alone there is nothing in the other places where programs may be. */
static int check_merged(const char *directory, int root_fd, Error *e) {
        char link[64];

        if (faccessat(root_fd, "usr", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, EINVAL, "'%s' has no /usr, which is all that is used of it",
                                 directory);
        for (size_t i = 0; i < ELEMENTSOF(usr_links); i++)
                if (read_link(root_fd, usr_links[i], link) < 0)
                        return error_set(e, EINVAL,
                                         "/%s of '%s' is not in /usr, which is all that"
                                         " --volatile=yes uses",
                                         usr_links[i], directory);
        return 0;
}

int root_view_check(const Spec *spec, int root_fd, Error *e) {
        return spec->volatile_mode == VOLATILE_YES ? check_merged(spec_place(spec), root_fd, e) : 0;
}

/* An overlay on the tree, whose upper layer is in @dir. */
static int stack_on_tree(const Spec *spec, int dir, Run *run, Error *e) {
        /* An overlay does not have what the mounts below it have. */
        uint64_t attributes = (spec->read_only && spec->volatile_mode == VOLATILE_NO
                                       ? MOUNT_ATTR_RDONLY
                                       : 0) |
                              (spec_keeps_devices(spec) ? 0 : MOUNT_ATTR_NODEV);
        int upper, work, r;

        r = attach(run->root_fd, run, "the image", e);
        if (r >= 0)
                r = overlay_open_upper(dir, run->root_fd, &upper, &work, e);
        if (r < 0)
                return r;
        int fd = overlay_new(&run->root_fd, 1, upper, work, attributes, e);
        (void) close(upper);
        (void) close(work);
        if (fd < 0)
                return fd;
        (void) fd_close(run->root_fd);
        run->root_fd = fd;
        return attach(fd, run, "the overlay", e);
}

/* A tmpfs that belongs to root of the machine. */
static int new_tmpfs(const Run *run, Error *e) {
        _cleanup_free_ char *options = str_format("mode=0755," VOLATILE_LIMITS ",uid=%u,gid=%u",
                                                  run->uid_base, run->uid_base);

        return options ? mount_new("tmpfs", options, MOUNT_ATTR_STRICTATIME, e) : error_oom(e);
}

/* The links that the tree has, and those that a tree of /usr alone would have. */
static int make_links(int fd, int tree, int usr, uid_t uid) {
        for (size_t i = 0; i < ELEMENTSOF(usr_links); i++) {
                const char *name = usr_links[i];
                char target[64];
                int r = read_link(tree, name, target);

                if (r < 0)
                        return r;
                if (r == 0 && faccessat(usr, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (r == 0)
                        (void) snprintf(target, sizeof target, "usr/%s", name);
                if (symlinkat(target, fd, name) < 0 ||
                    fchownat(fd, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
        }
        return 0;
}

/* What a root directory has besides /usr. */
static int fill_root(int fd, uid_t uid) {
        static const struct {
                const char *name;
                mode_t mode;
        } directories[] = {
                { "dev", 0755 }, { "etc", 0755 }, { "proc", 0755 }, { "root", 0700 },
                { "run", 0755 }, { "sys", 0755 }, { "tmp", 01777 }, { "var", 0755 },
        };

        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                if (mkdirat(fd, directories[i].name, directories[i].mode) < 0 ||
                    fchmodat(fd, directories[i].name, directories[i].mode, 0) < 0 ||
                    fchownat(fd, directories[i].name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
        return 0;
}

/* A root in memory, with /usr of the tree on it. */
static int use_usr_alone(Run *run, Error *e) {
        int r = attach(run->root_fd, run, "the image", e);

        if (r < 0)
                return r;
        _cleanup_fd_ int there = path_open_in_root(run->root_fd, "/usr", O_PATH | O_DIRECTORY, 0);
        if (there < 0)
                return error_set(e, there, "cannot open /usr of the image: %m");
        _cleanup_fd_ int usr = open_tree(there, "", CLONE_ALL | AT_EMPTY_PATH);
        if (usr < 0)
                return error_set(e, errno, "cannot copy the mount of /usr: %m");
        int fd = new_tmpfs(run, e);
        if (fd < 0)
                return fd;

        r = attach(fd, run, "a root in memory", e);
        if (r < 0)
                return r;
        r = fill_root(fd, run->uid_base);
        if (r >= 0)
                r = make_links(fd, run->root_fd, usr, run->uid_base);
        if (r >= 0)
                r = mkdirat(fd, "usr", 0755) < 0 ? -errno : mount_attach_at(usr, fd, "usr");
        if (r < 0)
                return error_set(e, r, "cannot fill a root in memory: %m");
        (void) fd_close(run->root_fd);
        run->root_fd = fd;
        return 0;
}

/* An overlay whose upper layer lasts as long as this start. */
static int stack_in_memory(const Spec *spec, Run *run, Error *e) {
        int fd = new_tmpfs(run, e), r;

        if (fd < 0)
                return fd;
        r = attach(fd, run, "the upper layer", e);
        return r < 0 ? r : stack_on_tree(spec, fd, run, e);
}

static int stack_on_kept(const Spec *spec, Run *run, Error *e) {
        _cleanup_fd_ int memory = -EBADF;
        int r;

        if (run->ephemeral_fd >= 0) {
                memory = open(run->runtime, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (memory < 0)
                        return error_set(e, errno, "cannot open the upper layer: %m");
                return stack_on_tree(spec, memory, run, e);
        }
        r = attach(run->upper_fd, run, "the upper layer", e);
        return r < 0 ? r : stack_on_tree(spec, run->upper_fd, run, e);
}

int root_view_apply(const Spec *spec, Run *run, Error *e) {
        switch (spec->volatile_mode) {
        case VOLATILE_YES:
                return use_usr_alone(run, e);
        case VOLATILE_OVERLAY:
                return stack_in_memory(spec, run, e);
        case VOLATILE_STATE:
                return attach(run->root_fd, run, "the root", e);
        default:
                return spec->ephemeral ? stack_on_kept(spec, run, e)
                                       : attach(run->root_fd, run, "the root", e);
        }
}
