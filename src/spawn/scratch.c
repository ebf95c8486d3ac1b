/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Throw-away directories, see scratch.h. Each has a temporary name of the pool's kind and is locked, so
 * that nobody who sweeps takes it for a leftover while we live; the machine's runtime file names it for
 * the time when we do not. */
#include "spawn/scratch.h"

#include <sys/file.h>
#include <unistd.h>

#include "base/path.h"
#include "image/subvolume.h"
#include "image/temporary.h"
#include "spawn/runtime.h"

#define DIRECTORY "/var/lib/skep/scratch"
#define TRIES_MAX 10

bool scratch_wants(const Spec *spec) {
        if (spec_upper_is_on_disk(spec))
                return true;
        for (size_t i = 0; i < spec->n_mounts; i++) {
                const CustomMount *m = spec->mounts + i;
                if (m->type == CUSTOM_MOUNT_OVERLAY || (m->source && !*m->source))
                        return true;
        }
        return false;
}

const Scratch *scratch_find(const Run *run, size_t item) {
        for (size_t i = 0; i < run->n_scratch; i++)
                if (run->scratch[i].item == item)
                        return run->scratch + i;
        return NULL;
}

/* Return: 0 and the locked directory; -EAGAIN somebody who sweeps was quicker; -errno. */
static int make_locked(int parent_fd, const char *name, int *ret) {
        struct stat st;

        if (mkdirat(parent_fd, name, 0700) < 0)
                return -errno;
        _cleanup_fd_ int fd = openat(parent_fd, name,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -EAGAIN : -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_nlink == 0)
                return -EAGAIN;
        *ret = TAKE_FD(fd);
        return 0;
}

static int note(Run *run, const char *parent, const char *name, Error *e) {
        _cleanup_free_ char *path = path_join(parent, name);

        return path ? runtime_note(run, "tree", path, e) : error_oom(e);
}

/* Makes one more below @parent (borrowed), whose path is @path if it has one on the host. */
static int add(Run *run, size_t item, int parent_fd, const char *path, const char *label,
               Error *e) {
        Scratch *grown = reallocarray(run->scratch, run->n_scratch + 1, sizeof *grown);
        int r = -EAGAIN;

        if (!grown)
                return error_oom(e);
        run->scratch = grown;
        Scratch *s = grown + run->n_scratch;
        *s = (Scratch){ .item = item, .parent_fd = -EBADF, .fd = -EBADF };

        for (unsigned i = 0; r == -EAGAIN && i < TRIES_MAX; i++) {
                free(s->name);
                s->name = NULL;
                r = temporary_name(label, &s->name);
                /* Written down first: else there is a moment in which nobody would ever sweep it. */
                if (r >= 0 && path) {
                        r = note(run, path, s->name, e);
                        if (r < 0) {
                                free(s->name);
                                return r;
                        }
                }
                if (r >= 0)
                        r = make_locked(parent_fd, s->name, &s->fd);
        }
        if (r >= 0 && (s->parent_fd = fcntl(parent_fd, F_DUPFD_CLOEXEC, 3)) < 0)
                r = -errno;
        if (r < 0) {
                free(s->name);
                return error_set(e, r, "cannot make a throw-away directory in '%s': %m",
                                 path ? path : "the image");
        }
        run->n_scratch++;
        return 0;
}

/* Return: descriptor of the machine's folder, which is made if need be; -errno. */
static int folder_fd(const Spec *spec, Run *run, Error *e) {
        const Scratch *there = scratch_find(run, SIZE_MAX);

        if (there)
                return there->fd;
        int r = path_mkdirs(DIRECTORY, 0700);

        if (r < 0)
                return error_set(e, r, "cannot make '%s': %m", DIRECTORY);
        (void) temporary_sweep(DIRECTORY, NULL);
        _cleanup_fd_ int fd = open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", DIRECTORY);
        r = add(run, SIZE_MAX, fd, DIRECTORY, spec->machine, e);
        return r < 0 ? r : run->scratch[run->n_scratch - 1].fd;
}

static int make_owned(int dir_fd, const char *name, uid_t uid) {
        return mkdirat(dir_fd, name, 0755) < 0 ||
                               fchownat(dir_fd, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0
                       ? -errno
                       : 0;
}

/* The directory of an item in the machine's folder. */
static int add_to_folder(const Spec *spec, const MountItem *m, size_t index, Run *run, Error *e) {
        char name[32];
        int fd = folder_fd(spec, run, e), r;

        if (fd < 0)
                return fd;
        (void) snprintf(name, sizeof name, "%zu", index);
        /* What is going to be mapped belongs to root here, else to root as it is inside. */
        r = make_owned(fd, name, m->idmap == MOUNT_IDMAP_NO ? run->uid_base : 0);
        return r < 0 ? error_set(e, r, "cannot make a throw-away directory: %m") : 0;
}

/* The work directory of an overlay is beside its upper layer, for both must be on one mount. */
static int add_beside(const MountItem *m, size_t index, Run *run, Error *e) {
        const char *path = m->source + (*m->source == '+');
        _cleanup_free_ char *parent = strndup(path, (size_t) (path_last(path) - path));
        struct stat st = {}, above = {};
        int r;

        if (!parent)
                return error_oom(e);
        bool inside = *m->source == '+';
        _cleanup_fd_ int fd = inside ? path_open_in_root(run->root_fd, parent,
                                                         O_RDONLY | O_DIRECTORY, 0)
                                     : open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? (inside ? fd : -errno) : 0;
        if (r >= 0 &&
            (fstatat(fd, path_last(path), &st, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, &above) < 0))
                r = -errno;
        if (r < 0)
                return error_set(e, r, "cannot look at the upper layer '%s': %m", m->source);
        if (!S_ISDIR(st.st_mode))
                return error_set(e, ENOTDIR, "the upper layer '%s' is not a directory", m->source);
        if (st.st_dev != above.st_dev)
                return error_set(e, EXDEV,
                                 "the upper layer '%s' is a mount point, beside which there is no"
                                 " place for its work directory",
                                 m->source);
        return add(run, index, fd, inside ? NULL : parent, path_last(path), e);
}

static int add_root(const Spec *spec, Run *run, Error *e) {
        int fd = folder_fd(spec, run, e);

        if (fd < 0)
                return fd;
        return mkdirat(fd, SCRATCH_ROOT, 0700) < 0
                       ? error_set(e, errno, "cannot make a directory for the upper layer: %m")
                       : 0;
}

int scratch_apply(const Spec *spec, const MountPlan *plan, Run *run, Error *e) {
        if (spec_upper_is_on_disk(spec)) {
                int r = add_root(spec, run, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < plan->n; i++) {
                const MountItem *m = plan->items + i;
                int r = 0;

                if (m->source && !*m->source)
                        r = add_to_folder(spec, m, i, run, e);
                else if (m->type == MOUNT_OVERLAY && m->source)
                        r = add_beside(m, i, run, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

void scratch_revert(Run *run) {
        for (size_t i = 0; i < run->n_scratch; i++) {
                Scratch *s = run->scratch + i;
                (void) tree_remove(s->parent_fd, s->name);
                (void) fd_close(s->fd);
                (void) fd_close(s->parent_fd);
                free(s->name);
        }
        free(run->scratch);
        run->scratch = NULL;
        run->n_scratch = 0;
}
