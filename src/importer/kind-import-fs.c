/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import import-fs: a directory becomes a tree in the pool. The copying is image/copy.c's, in a process that
 * can read the one, write the other and do nothing else: who gave us the directory may change it meanwhile. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/copy.h"
#include "importer/confine.h"
#include "importer/helper.h"
#include "importer/kind.h"
#include "importer/policy.h"
#include "importer/tar-write.h"

typedef struct CopyJob {
        int source_fd, target_fd;
        ImageClass class;
        const char *place; /* where the target is, for errors */
        const Room *room;  /* likewise */
        bool sync;
} CopyJob;

typedef struct CopyState {
        HelperState helper;
        TreeSkipped skipped;
} CopyState;

/* In the child. */
typedef struct Chooser {
        ImageClass class;
        TreeSkipped *skipped;
} Chooser;

static bool takes_node(void *context, const struct stat *st) {
        const Chooser *c = context;
        bool takes = policy_takes_node(c->class, st->st_mode, st->st_rdev);

        c->skipped->nodes += !takes;
        return takes;
}

static bool takes_xattr(void *context, const char *name) {
        const Chooser *c = context;
        bool takes = policy_takes_xattr(c->class, name);

        c->skipped->xattrs += !takes && !streq(name, "security.selinux");
        return takes;
}

static mode_t mode_of(void *context, const struct stat *st) {
        const Chooser *c = context;
        mode_t mode = policy_mode(c->class, st->st_mode);

        c->skipped->modes += mode != st->st_mode;
        return mode;
}

/* Looks at each file only if the source's file system has more in it than fits. */
static uint64_t estimate(const CopyJob *job, int source, int target) {
        struct statvfs v;
        struct stat a, b;
        uint64_t size;

        if (job->room->free == ROOM_UNKNOWN || fstat(source, &a) < 0 || fstat(target, &b) < 0 ||
            (job->room->shares && a.st_dev == b.st_dev) || fstatvfs(source, &v) < 0)
                return 0;
        if (v.f_blocks > 0 && (uint64_t) (v.f_blocks - v.f_bfree) * v.f_frsize <= job->room->free)
                return 0;
        return tar_write_size(source, &size) < 0 ? 0 : size;
}

static int copy(void *context, HelperState *helper, Error *e) {
        const CopyJob *job = context;
        Chooser chooser = { job->class, &((CopyState *) helper)->skipped };
        const CopyOptions options = {
                .takes_node = takes_node,
                .takes_xattr = takes_xattr,
                .mode = mode_of,
                .context = &chooser,
                .done = &helper->done,
        };
        _cleanup_fd_ int source = -EBADF, target = -EBADF;
        int r;

        (void) umask(0);
        r = confine_copier(job->source_fd, job->target_fd, &source, &target, e);
        (void) close(job->source_fd);
        (void) close(job->target_fd);
        if (r >= 0)
                r = confine_filter(e);
        if (r >= 0)
                r = room_check(job->room, estimate(job, source, target), e);
        if (r >= 0) {
                r = copy_tree_with(source, target, &options, e);
                if (r == -ENOSPC || r == -EDQUOT)
                        r = error_wrap(e, r, "the file system of %s is full", job->place);
        }
        if (r < 0 || !job->sync)
                return r;

        atomic_store(&helper->phase, PHASE_SYNC);
        return confine_sync(target, job->place, e);
}

static int fill(const ImportJob *job, Staging *staging, int cancel_fd, Output *o, Error *e) {
        CopyJob *copying = job->context;
        const int keep[] = { copying->source_fd, staging->fd };
        const Helper helper = {
                .name = "the copier",
                .run = copy,
                .context = copying,
                .keep = keep,
                .n_keep = ELEMENTSOF(keep),
        };
        CopyState *state = helper_state_new(sizeof *state);

        if (!state)
                return error_oom(e);
        copying->target_fd = staging->fd;
        copying->room = &staging->room;
        atomic_store(&state->helper.done, 0);
        atomic_store(&state->helper.phase, PHASE_COPY);
        int r = helper_run(&helper, &state->helper, cancel_fd, o, e);
        if (r == 0)
                kind_note_skipped(&state->skipped, o);
        helper_state_free(state, sizeof *state);
        return r;
}

static int open_directory(const char *path, Error *e) {
        int fd = streq(path, "-") ? openat(STDIN_FILENO, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                  : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? error_set(e, errno, "cannot open the directory '%s': %m", path) : fd;
}

/* A copy into itself would have no end. */
static int check_apart(int source_fd, const char *source, const char *root, Error *e) {
        struct stat a, b;
        _cleanup_fd_ int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fstat(source_fd, &a) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", source);
        while (fd >= 0 && fstat(fd, &b) >= 0) {
                struct stat up;

                if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
                        return error_set(e, EINVAL, "'%s' has the directory of images, '%s', in it",
                                         source, root);
                int next = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
                (void) close(fd);
                fd = next;
                if (fd >= 0 && fstat(fd, &up) >= 0 && up.st_dev == b.st_dev &&
                    up.st_ino == b.st_ino)
                        break;
        }
        return 0;
}

int kind_import_fs(char *const *args, void *context, Error *e) {
        const KindContext *c = context;
        _cleanup_free_ char *name = NULL, *root = NULL, *clean = NULL;
        CopyJob copying = { .class = (ImageClass) c->options->class, .sync = c->options->sync };
        ImportJob job;
        bool is_pool;
        int r = path_absolute(args[0], &clean);

        if (r < 0)
                return error_set(e, r, "'%s' is no path: %m", args[0]);
        r = kind_choose_name(streq(args[0], "-") ? args[0] : clean, args[1], &name, e);
        if (r >= 0)
                r = kind_choose_root(c->options, &root, &is_pool, e);
        if (r < 0)
                return r;

        _cleanup_fd_ int fd = open_directory(args[0], e);
        if (fd < 0)
                return fd;
        r = check_apart(fd, args[0], root, e);
        if (r >= 0)
                r = kind_start(c, streq(args[0], "-") ? "directory" : args[0], name, root, is_pool,
                               &job, e);
        if (r < 0)
                return r;

        copying.source_fd = fd;
        copying.place = root;
        job.fill = fill;
        job.context = &copying;
        return import_run(&job, c->output, e);
}
