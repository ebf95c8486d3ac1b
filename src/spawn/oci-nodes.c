/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices and links of containers, see oci-nodes.h. */
#include "spawn/oci-nodes.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/mount.h"

typedef struct Place {
        int dir_fd;
        const char *name;
        const char *host; /* where the host has the same */
} Place;

static int open_dev(const Run *run, Error *e) {
        int fd = path_open_beneath(run->root_fd, "dev", O_PATH | O_DIRECTORY, 0);

        if (fd == -ENOENT && mkdirat(run->root_fd, "dev", 0755) >= 0)
                fd = path_open_beneath(run->root_fd, "dev", O_PATH | O_DIRECTORY, 0);
        if (fd == -ELOOP)
                return error_set(e, fd, "it is a symlink in the image");
        return fd < 0 ? error_set(e, fd, "cannot open it: %m") : fd;
}

static bool is_same(const struct stat *st, mode_t mode, dev_t number) {
        return (st->st_mode & S_IFMT) == (mode & S_IFMT) &&
               (S_ISFIFO(mode) || st->st_rdev == number);
}

/* The host's own node over an empty file, where no other may be made. */
static int bind_node(const Place *p, mode_t mode, dev_t number) {
        struct stat st;

        if (mknodat(p->dir_fd, p->name, S_IFREG, 0) < 0)
                return -errno;
        _cleanup_fd_ int target = openat(p->dir_fd, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_fd_ int fd = open_tree(AT_FDCWD, p->host, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0 || target < 0 || fstat(fd, &st) < 0)
                return -errno;
        return is_same(&st, mode, number) ? mount_attach(fd, target) : -ENODEV;
}

/* What the image has in its place and is no such device, goes.
 * Return: 1 made; 0 it was there; -errno. */
static int make_node(const Place *p, mode_t mode, dev_t number) {
        struct stat st;

        if (fstatat(p->dir_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) >= 0) {
                if (is_same(&st, mode, number))
                        return 0;
                if (unlinkat(p->dir_fd, p->name, 0) < 0)
                        return -errno;
        }
        if (mknodat(p->dir_fd, p->name, mode, number) >= 0)
                return 1;
        return errno == EPERM && !S_ISFIFO(mode) ? bind_node(p, mode, number) : -errno;
}

static int make_link(int dir_fd, const char *name, const char *target) {
        char there[64];
        ssize_t n = readlinkat(dir_fd, name, there, sizeof there);

        if (n == (ssize_t) strlen(target) && memcmp(there, target, (size_t) n) == 0)
                return 0;
        if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
                return errno == EISDIR || errno == EBUSY ? 0 : -errno;
        return symlinkat(target, dir_fd, name) < 0 ? -errno : 0;
}

static int make_default(const Node *n, int dir_fd) {
        char host[sizeof n->path + 8];

        if (S_ISLNK(n->mode))
                return make_link(dir_fd, n->path, n->content);
        (void) snprintf(host, sizeof host, "/dev/%.*s", (int) sizeof n->path - 1, n->path);
        return make_node(&(Place){ dir_fd, n->path, host }, n->mode, makedev(n->major, n->minor));
}

static int make_device(const OciDevice *d, const Run *run) {
        static const mode_t types[_OCI_DEVICE_MAX] = { [OCI_DEVICE_CHAR] = S_IFCHR,
                                                       [OCI_DEVICE_UNBUFFERED] = S_IFCHR,
                                                       [OCI_DEVICE_BLOCK] = S_IFBLK,
                                                       [OCI_DEVICE_FIFO] = S_IFIFO };
        mode_t mode = types[d->type] | (d->mode.set ? (mode_t) d->mode.value & 07777 : 0666);
        _cleanup_free_ char *path = path_clean(d->path), *parent = NULL;

        if (!path)
                return -ENOMEM;
        const char *name = path_last(path);
        if (!*name || streq(name, "..") || streq(name, "."))
                return -EINVAL;
        parent = strndup(path, (size_t) (name - path));
        if (!parent)
                return -ENOMEM;
        _cleanup_fd_ int dir_fd = path_mkdirs_in_root(run->root_fd, parent, 0755, (uid_t) -1,
                                                      (gid_t) -1);
        if (dir_fd < 0)
                return dir_fd;
        int r = make_node(&(Place){ dir_fd, name, path }, mode,
                          makedev((unsigned) d->major.value, (unsigned) d->minor.value));
        if (r > 0 && (d->uid.value || d->gid.value) &&
            fchownat(dir_fd, name, (uid_t) d->uid.value, (gid_t) d->gid.value,
                     AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        return MIN(r, 0);
}

int oci_nodes_apply(const NodePlan *dev, const OciLinux *l, const Run *run, Error *e) {
        _cleanup_fd_ int dir_fd = open_dev(run, e);

        if (dir_fd < 0)
                return dir_fd;
        for (size_t i = 0; i < dev->n; i++) {
                int r = make_default(dev->nodes + i, dir_fd);
                if (r < 0)
                        return error_set(e, r, "cannot make '%s': %m", dev->nodes[i].path);
        }
        for (size_t i = 0; i < l->devices.n; i++) {
                int r = make_device(l->devices.v + i, run);
                if (r < 0)
                        return error_set(e, r, "linux.devices[%zu]: cannot make '%s': %m", i,
                                         l->devices.v[i].path);
        }
        return 0;
}

/* Unless somebody's terminal is behind it, whose size it has. */
static void set_size(const Spec *spec, int fd) {
        const OciConsoleSize *wanted = &spec->oci->process->console_size;
        struct winsize size = { .ws_row = (unsigned short) wanted->height.value,
                                .ws_col = (unsigned short) wanted->width.value };

        if (spec->console != CONSOLE_INTERACTIVE && (size.ws_row || size.ws_col))
                (void) ioctl(fd, TIOCSWINSZ, &size);
}

int oci_nodes_console(const Spec *spec, const Run *run, Error *e) {
        _cleanup_fd_ int dir_fd = open_dev(run, e);
        struct stat st, seen;

        if (dir_fd < 0)
                return error_wrap(e, dir_fd, "/dev");
        set_size(spec, run->terminal_fd);
        /* What is there already is as good. */
        (void) mknodat(dir_fd, "console", S_IFREG | 0600, 0);
        _cleanup_fd_ int target = openat(dir_fd, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (target < 0 || fstat(target, &st) < 0)
                return error_set(e, errno, "cannot make /dev/console: %m");
        if (S_ISLNK(st.st_mode))
                return error_set(e, ELOOP, "'/dev/console' of the image is a symlink");
        _cleanup_fd_ int fd = open_tree(run->terminal_fd, "",
                                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        if (fd < 0)
                return error_set(e, errno, "cannot copy the mount of the terminal: %m");
        int r = mount_attach(fd, target);
        if (r < 0)
                return error_set(e, r, "cannot show the terminal as /dev/console: %m");
        if (fstat(run->terminal_fd, &st) < 0 ||
            fstatat(dir_fd, "console", &seen, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(seen.st_mode) ||
            st.st_rdev != seen.st_rdev)
                return error_set(e, EPERM, "what is seen as /dev/console is not the terminal");
        return 0;
}
