/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the layers of a stack together, see stack-root.h. Running one is the spawner's. */
#include "image/stack-root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "image/disk-root.h"
#include "image/mstack.h"

/* Layers are named by their descriptors from here, so that no byte of a path can be taken for a separator. */
#define LAYERS_PATH "/proc/self/fd"

/* A stack that is put together; the process is short-lived, and what it opens for that stays open. */
typedef struct Build {
        const char *path;
        int dir_fd;
        Mstack found;
        Buf lowers; /* topmost first */
        unsigned n;
        int top; /* of them */
} Build;

static void build_done(Build *b) {
        (void) fd_close(b->dir_fd);
        mstack_done(&b->found);
        buf_done(&b->lowers);
}

/* The kernel takes layers that are mounted somewhere only: over the stack, whose entries are found by the descriptor. */
static int open_disk(const Build *b, const char *name, Error *e) {
        _cleanup_free_ char *path = str_format("/proc/self/fd/%d/%s", b->dir_fd, name);
        _cleanup_fd_ int fd = path ? disk_root_open(path, e) : error_oom(e);

        if (fd < 0)
                return fd;
        if (move_mount(fd, "", AT_FDCWD, b->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set(e, errno, "cannot mount '%s': %m", name);
        return TAKE_FD(fd);
}

static int open_part(const Build *b, const MstackEntry *entry, Error *e) {
        if (entry->is_disk)
                return open_disk(b, entry->name, e);
        int fd = openat(b->dir_fd, entry->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open '%s': %m", entry->name) : fd;
}

static int add_lower(Build *b, int fd, Error *e) {
        if (fd < 0)
                return fd;
        if (b->n++ == 0)
                b->top = fd;
        return buf_printf(&b->lowers, "%s%d", b->lowers.n > 0 ? ":" : "", fd) < 0 ? error_oom(e)
                                                                                  : 0;
}

/* What was written to the stack, seen from above. */
static int add_changes(Build *b, Error *e) {
        const MstackEntry *rw = mstack_find(&b->found, MSTACK_RW, NULL);
        int fd = rw ? open_part(b, rw, e) : -EBADF;

        if (fd < 0)
                return rw ? fd : 0;
        int data = openat(fd, "data", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (data < 0 && errno == ENOENT)
                return 0;
        return data < 0 ? error_set(e, errno, "cannot open '%s/data': %m", rw->name)
                        : add_lower(b, data, e);
}

static int add_layers(Build *b, Error *e) {
        int r = 0;

        for (size_t i = b->found.n; i-- > 0 && r >= 0;)
                if (b->found.entries[i].type == MSTACK_LAYER)
                        r = add_lower(b, open_part(b, b->found.entries + i, e), e);
        return r;
}

/* In the place of the stack, where nobody else sees it. */
static int mount_overlay(const Build *b, int upper, int work, Error *e) {
        const unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC | (upper < 0 ? MS_RDONLY : 0);
        _cleanup_free_ char *options = upper < 0 ? str_format("lowerdir=%s", b->lowers.p)
                                                 : str_format("lowerdir=%s,upperdir=%d,workdir=%d",
                                                              b->lowers.p, upper, work);

        if (!options)
                return error_oom(e);
        /* Short names: a page is soon full. */
        if (chdir(LAYERS_PATH) < 0 || mount("overlay", b->path, "overlay", flags, options) < 0)
                return error_set(e, errno, "cannot put the layers together: %m");
        int fd = open(b->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the root: %m") : fd;
}

static int begin(Build *b, Error *e) {
        b->dir_fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (b->dir_fd < 0)
                return error_set(e, errno, "cannot open it: %m");
        return mstack_read(b->dir_fd, &b->found, e);
}

static int open_root(Build *b, Error *e) {
        const MstackEntry *root;
        int r = begin(b, e);

        if (r < 0)
                return r;
        /* What is put over its /usr does not change what the system is called. */
        root = mstack_find(&b->found, MSTACK_ROOT, NULL);
        if (root)
                return open_part(b, root, e);
        r = add_changes(b, e);
        if (r >= 0)
                r = add_layers(b, e);
        if (r < 0)
                return r;
        if (b->n == 0)
                return error_set(e, ENOMEDIUM, "it has no layers");
        return b->n == 1 ? b->top : mount_overlay(b, -EBADF, -EBADF, e);
}

int stack_root_open(const char *path, Error *e) {
        _cleanup_(build_done) Build b = { .path = path, .dir_fd = -EBADF };

        /* First, as layers have to be found in the namespace that they are put together in. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return error_set(e, errno, "cannot get a mount namespace: %m");
        int r = open_root(&b, e);
        return r < 0 ? error_wrap(e, r, "'%s'", path) : r;
}

/* What a link leads to is not of this stack alone. */
static int open_own(const Build *b, const MstackEntry *entry, Error *e) {
        struct stat st;

        if (fstatat(b->dir_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", entry->name);
        if (S_ISLNK(st.st_mode))
                return error_set(e, EROFS, "'%s' is a link, and what it leads to not of it alone",
                                 entry->name);
        if (!entry->is_disk)
                return open_part(b, entry, e);
        _cleanup_free_ char *path = str_format("/proc/self/fd/%d/%s", b->dir_fd, entry->name);
        return path ? disk_root_attach_writable(path, b->path, e) : error_oom(e);
}

/* A directory that the spawner would make as well. */
static int open_inside(int fd, const char *name, const struct stat *like, Error *e) {
        if (mkdirat(fd, name, like->st_mode & 07777) >= 0) {
                if (fchownat(fd, name, like->st_uid, like->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                    fchmodat(fd, name, like->st_mode & 07777, 0) < 0)
                        return error_set(e, errno, "cannot make 'rw/%s': %m", name);
        } else if (errno != EEXIST)
                return error_set(e, errno, "cannot make 'rw/%s': %m", name);
        int r = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return r < 0 ? error_set(e, errno, "cannot open 'rw/%s': %m", name) : r;
}

static int open_writable(Build *b, Error *e) {
        static const struct stat of_root = { .st_mode = 0700 };
        const MstackEntry *root, *rw;
        struct stat top;
        int r = begin(b, e);

        if (r < 0)
                return r;
        root = mstack_find(&b->found, MSTACK_ROOT, NULL);
        rw = mstack_find(&b->found, MSTACK_RW, NULL);
        if (root)
                return open_own(b, root, e);
        if (!rw)
                return error_set(e, EROFS, "it has no 'rw', so nothing can be written to it");
        r = add_layers(b, e);
        if (r < 0)
                return r;
        if (b->n == 0)
                return error_set(e, ENOMEDIUM, "it has no layers");
        const int fd = open_own(b, rw, e);
        if (fd < 0)
                return fd;
        if (fstat(b->top, &top) < 0)
                return error_set(e, errno, "cannot look at the layers: %m");
        const int upper = open_inside(fd, "data", &top, e);
        const int work = upper < 0 ? upper : open_inside(fd, "work", &of_root, e);
        return work < 0 ? work : mount_overlay(b, upper, work, e);
}

int stack_root_attach_writable(const char *path, Error *e) {
        _cleanup_(build_done) Build b = { .path = path, .dir_fd = -EBADF };
        int r = open_writable(&b, e);

        return r < 0 ? error_wrap(e, r, "'%s'", path) : r;
}
