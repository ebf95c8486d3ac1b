/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loop devices, see loop.h. Needs /dev/loop-control and nothing more: where nobody makes nodes for the
 * devices, one is made where nobody sees it. */
#include "image/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

/* Between asking for a free device and taking it others may take it: that many can be as quick as we are. */
#define TRIES 1000

/* Opens a device that has no node. */
static int open_without_node(int number, int flags) {
        _cleanup_fd_ int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC), tree_fd = -EBADF;

        if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        tree_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
        if (tree_fd < 0 ||
            mknodat(tree_fd, "loop", S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned) number)) < 0)
                return -errno;
        int fd = openat(tree_fd, "loop", flags);
        return fd < 0 ? -errno : fd;
}

static int open_device(int number, bool read_only) {
        int flags = (read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
        char path[BLOCK_PATH_MAX];
        struct stat st;

        (void) snprintf(path, sizeof path, "/dev/loop%d", number);
        _cleanup_fd_ int fd = open(path, flags | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? open_without_node(number, flags) : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode) || st.st_rdev != makedev(LOOP_MAJOR, (unsigned) number))
                return -EUCLEAN;
        return TAKE_FD(fd);
}

/* Return: the device; -EBUSY somebody else was quicker; -errno. */
static int try_number(int number, int fd, const LoopRange *range) {
        _cleanup_fd_ int device = open_device(number, range->read_only);
        struct loop_config config = {
                .fd = (uint32_t) fd,
                .block_size = range->sector_size,
                .info = {
                        .lo_offset = range->offset,
                        .lo_sizelimit = range->size,
                        /* What is only read may be read by many machines: let them share the memory. */
                        .lo_flags = LO_FLAGS_AUTOCLEAR |
                                    (range->read_only ? LO_FLAGS_READ_ONLY : LO_FLAGS_DIRECT_IO),
                },
        };

        if (device < 0)
                return device == -ENXIO || device == -ENOENT ? -EBUSY : device;
        if (ioctl(device, LOOP_CONFIGURE, &config) >= 0)
                return TAKE_FD(device);
        if (errno != EINVAL || range->read_only)
                return -errno;
        config.info.lo_flags &= ~(uint32_t) LO_FLAGS_DIRECT_IO;
        return ioctl(device, LOOP_CONFIGURE, &config) < 0 ? -errno : TAKE_FD(device);
}

/* The words of the kernel are the same for who has no rights, for a unit that may not use such devices, and
 * for one that may not make a node. */
static int explain(int r, const char *what, Error *e) {
        if (r != -EPERM)
                return error_set(e, r, "%s: %s", what, error_errno_text(r));
        return error_set(
                e, r,
                "loop devices may not be used here: a unit needs"
                " DeviceAllow=/dev/loop-control rw and DeviceAllow=block-loop rw, and nodes in"
                " /dev that it need not make");
}

int loop_attach(int fd, const LoopRange *range, Error *e) {
        _cleanup_fd_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC | O_NOCTTY);
        int r = -EBUSY;

        if (control < 0)
                return errno == ENOENT || errno == ENXIO || errno == ENODEV
                               ? error_set(e, ENODEV,
                                           "there are no loop devices here (/dev/loop-control)")
                               : explain(-errno, "cannot open /dev/loop-control", e);
        for (unsigned i = 0; i < TRIES && r == -EBUSY; i++) {
                int number = ioctl(control, LOOP_CTL_GET_FREE);

                if (number < 0)
                        return error_set(e, errno, "cannot get a loop device: %m");
                r = try_number(number, fd, range);
        }
        return r < 0 ? explain(r, "cannot set up a loop device", e) : r;
}

const char *block_path(int fd, char path[static BLOCK_PATH_MAX]) {
        char link[FD_PATH_MAX], found[BLOCK_PATH_MAX];
        struct stat st, there;
        ssize_t n = readlink(fd_path(fd, link), found, sizeof found - 1);

        if (n > 0 && (size_t) n < sizeof found - 1) {
                found[n] = '\0';
                if (strncmp(found, "/dev/", 5) == 0 && !strchr(found, ',') && fstat(fd, &st) >= 0 &&
                    stat(found, &there) >= 0 && S_ISBLK(there.st_mode) &&
                    st.st_rdev == there.st_rdev) {
                        memcpy(path, found, (size_t) n + 1);
                        return path;
                }
        }
        return fd_path(fd, path);
}
