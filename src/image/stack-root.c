/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the layers of a stack together to look at them, see stack-root.h. Running one is the spawner's. */
#include "image/stack-root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/mstack.h"

/* Opens a layer and adds it to the options, the topmost first. */
static int add_layer(int stack_fd, const char *name, Buf *lowers, int *ret_fd, Error *e) {
        char buffer[FD_PATH_MAX];
        /* Kept open till the mount is made; the process is short-lived. */
        int fd = openat(stack_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return error_set(e, errno, "cannot open the layer '%s': %m", name);
        *ret_fd = fd;
        int r = buf_printf(lowers, "%s%s", lowers->n > 0 ? ":" : "", fd_path(fd, buffer));
        return r < 0 ? error_oom(e) : 0;
}

/* Return: how many layers there are, with the last one's descriptor; -errno. */
static int add_layers(int stack_fd, const Mstack *m, Buf *lowers, int *ret_fd, Error *e) {
        int n = 0, r = 0;

        if (mstack_find(m, MSTACK_RW, NULL) && faccessat(stack_fd, "rw/data", F_OK, 0) >= 0) {
                r = add_layer(stack_fd, "rw/data", lowers, ret_fd, e);
                n++;
        }
        for (size_t i = m->n; i-- > 0 && r >= 0;) {
                if (m->entries[i].type != MSTACK_LAYER)
                        continue;
                if (m->entries[i].is_disk)
                        return error_set(e, EOPNOTSUPP, "the layer '%s' is a disk image",
                                         m->entries[i].name);
                r = add_layer(stack_fd, m->entries[i].name, lowers, ret_fd, e);
                n++;
        }
        return r < 0 ? r : n;
}

/* In the place of the stack, where nobody else sees it. */
static int mount_overlay(const char *path, const char *lowers, Error *e) {
        _cleanup_free_ char *options = str_format("lowerdir=%s", lowers);

        if (!options)
                return error_oom(e);
        if (mount("overlay", path, "overlay", MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC,
                  options) < 0)
                return error_set(e, errno, "cannot put the layers together: %m");
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the root: %m") : fd;
}

int stack_root_open(const char *path, Error *e) {
        _cleanup_fd_ int stack = -EBADF;
        _cleanup_(buf_done) Buf lowers = {};
        _cleanup_(mstack_done) Mstack m = {};
        const MstackEntry *root;
        int fd = -EBADF;

        /* First, as layers have to be found in the namespace that they are put together in. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return error_set(e, errno, "cannot get a mount namespace: %m");
        stack = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (stack < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        int r = mstack_read(stack, &m, e);
        if (r < 0)
                return error_wrap(e, r, "'%s'", path);
        /* What is put over its /usr does not change what the system is called. */
        root = mstack_find(&m, MSTACK_ROOT, NULL);
        if (root && root->is_disk)
                return error_set(e, EOPNOTSUPP, "'%s': its root is a disk image", path);
        r = root ? add_layer(stack, root->name, &lowers, &fd, e)
                 : add_layers(stack, &m, &lowers, &fd, e);
        if (r < 0)
                return error_wrap(e, r, "'%s'", path);
        if (root || r == 1)
                return fd;
        if (r == 0)
                return error_set(e, ENOMEDIUM, "'%s' has no layers", path);
        r = mount_overlay(path, lowers.p, e);
        return r < 0 ? error_wrap(e, r, "'%s'", path) : r;
}
