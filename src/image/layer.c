/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks on images of the pool, see layer.h. What a stack is, mstack.c says. */
#include "image/layer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/mstack.h"
#include "image/pool.h"

/* The writable layer has to look like the top of the original, as this is what is seen of the two. */
static int make_writable_layer(const Image *original, int stack_fd, Error *e) {
        struct stat st = { .st_mode = 0755 };

        if (original->type != IMAGE_RAW && original->type != IMAGE_BLOCK &&
            stat(original->path, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", original->path);
        if (mkdirat(stack_fd, "rw", 0755) < 0 || mkdirat(stack_fd, "rw/data", 0755) < 0 ||
            mkdirat(stack_fd, "rw/work", 0700) < 0 ||
            fchownat(stack_fd, "rw/data", st.st_uid, st.st_gid, 0) < 0 ||
            fchmodat(stack_fd, "rw/data", st.st_mode & 07777, 0) < 0)
                return error_set(e, errno, "cannot make the layer: %m");
        return 0;
}

int layer_make(const Image *original, int dir_fd, const char *name, Error *e) {
        bool is_disk = original->type == IMAGE_RAW || original->type == IMAGE_BLOCK;
        _cleanup_fd_ int fd = -EBADF;

        if (original->type == IMAGE_MSTACK)
                return error_set(e, EOPNOTSUPP, "'%s' is a stack, on which there can be no layer",
                                 original->path);
        if (!original->read_only)
                return error_set(
                        e, EROFS,
                        "image '%s' can be written to: to have layers on it, make it read-only first",
                        original->name);
        if (mkdirat(dir_fd, name, 0755) < 0)
                return error_set(e, errno, "cannot make '%s': %m", name);
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return error_set(e, errno, "cannot lock '%s': %m", name);
        if (symlinkat(original->path, fd, is_disk ? "layer@0.raw" : "layer@0") < 0)
                return error_set(e, errno, "cannot make a link to '%s': %m", original->path);
        int r = make_writable_layer(original, fd, e);
        return r < 0 ? r : TAKE_FD(fd);
}

/* Whether an entry of a stack lies in @path. */
static bool leads_to(int stack_fd, const char *entry, const char *path) {
        _cleanup_fd_ int fd = openat(stack_fd, entry, O_PATH | O_CLOEXEC);
        char target[PATH_MAX], buffer[FD_PATH_MAX];
        ssize_t n = fd < 0 ? -1 : readlink(fd_path(fd, buffer), target, sizeof(target) - 1);

        if (n < 0)
                return false;
        target[n] = '\0';
        return path_is_below(target, path);
}

/* The version that is the best now may be gone tomorrow. */
static bool version_leads_to(int stack_fd, const char *entry, const char *path) {
        _cleanup_free_ char *folder = strndup(entry, strcspn(entry, "/"));
        _cleanup_dir_ DIR *d = dir_take(
                folder ? openat(stack_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF);

        for (struct dirent *de; d && (de = readdir(d));)
                if (de->d_name[0] != '.' && leads_to(dirfd(d), de->d_name, path))
                        return true;
        return false;
}

/* Return: 1 it has a layer in @path; 0 not; -errno. */
static int uses(const Image *stack, const char *path) {
        _cleanup_fd_ int fd = open(stack->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(mstack_done) Mstack m = {};

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (mstack_read(fd, &m, NULL) < 0)
                return 0; /* it cannot be started either */
        for (size_t i = 0; i < m.n; i++)
                if (strchr(m.entries[i].name, '/') ? version_leads_to(fd, m.entries[i].name, path)
                                                   : leads_to(fd, m.entries[i].name, path))
                        return 1;
        return 0;
}

int layers_check_unused(const Image *original, Error *e) {
        _cleanup_(image_list_done) ImageList l = {};
        int r = pool_list(&l, e);

        for (size_t i = 0; i < l.n && r >= 0; i++) {
                const Image *x = l.items[i];

                if (x->type != IMAGE_MSTACK || streq(x->path, original->path))
                        continue;
                r = uses(x, original->path);
                if (r > 0)
                        return error_set(e, EBUSY, "image '%s' is a layer of '%s'", original->name,
                                         x->name);
                if (r < 0)
                        (void) error_set(e, r, "cannot look at '%s': %m", x->path);
        }
        return r;
}
