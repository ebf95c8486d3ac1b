/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's side of an import, see import-run.h. It holds what the unpacker must not have (the
 * pool, the locks, root's rights) and never reads a byte of the archive itself. */
#include "importer/import-run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/path.h"
#include "image/lock.h"
#include "image/partial.h"
#include "image/pool.h"
#include "importer/helper.h"
#include "importer/unwrap.h"

/* Whether the image that is going to be replaced is free. Held only while looked at: machines may start
 * from it until the new one is there. */
static int lock_replaced(const ImportJob *job, ImageLock **ret, Error *e) {
        static const char *const forms[] = { "", ".raw", ".mstack" };
        _cleanup_free_ char *path = NULL;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                free(path);
                path = str_format("%s/%s%s", job->root, job->name, forms[i]);
                if (!path)
                        return error_oom(e);
                if (access(path, F_OK) >= 0)
                        break;
        }
        if (!job->staging.force || access(path, F_OK) < 0)
                return 0;
        r = image_lock(path, true, ret, e);
        return r == IMAGE_LOCK_BUSY
                       ? error_set(e, EBUSY, "image '%s' is in use and cannot be replaced",
                                   job->name)
                       : r;
}

static int check_replaced(const ImportJob *job, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;

        return lock_replaced(job, &lock, e);
}

static int commit(const ImportJob *job, Staging *staging, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;
        int r = job->unwrap ? unwrap_tree(staging->fd, e) : 0;

        if (r >= 0)
                r = lock_replaced(job, &lock, e);
        if (r >= 0 && job->finish)
                r = job->finish(job, staging, e);
        const Sidecars none = SIDECARS_NULL;
        return r < 0 ? r
                     : sidecars_commit(job->sidecars ? job->sidecars : &none, job->root, staging,
                                       &job->staging, e);
}

static int lock_name(const ImportJob *job, ImageLock **ret, Error *e) {
        int r;

        if (!job->lock_name)
                return 0;
        r = image_lock_name(job->name, ret, e);
        return r == IMAGE_LOCK_BUSY
                       ? error_set(e, EBUSY, "something else is working on image '%s'", job->name)
                       : r;
}

/* What is in images is nobody's business but root's, whatever their files are like. */
static int make_root(const char *root) {
        _cleanup_free_ char *above = str_format("%.*s", (int) (path_last(root) - root), root);
        int r = !above ? -ENOMEM : above[0] ? path_mkdirs(above, 0755) : 0;

        return r < 0 ? r : mkdir(root, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_root(const char *root, Error *e) {
        struct stat st;
        int r = stat(root, &st) >= 0 || errno != ENOENT ? 0 : make_root(root), fd;

        fd = r < 0 ? r : open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return r < 0    ? error_set(e, r, "cannot make the directory '%s': %m", root)
               : fd < 0 ? error_set(e, errno, "cannot open the directory '%s': %m", root)
                        : fd;
}

static int sweep(const ImportJob *job, Output *o, Error *e) {
        int r = pool_sweep_directory(job->root, e);

        if (r > 0)
                output_note(o, LOG_NOTICE, "%d unfinished images of earlier imports were removed",
                            r);
        if (r >= 0)
                r = partials_sweep(job->root, PARTIAL_AGE_USEC, e);
        return r;
}

int import_run(const ImportJob *job, Output *o, Error *e) {
        _cleanup_fd_ int cancel_fd = cancel_open(e);
        _cleanup_fd_ int pool_fd = cancel_fd < 0 ? cancel_fd : open_root(job->root, e);
        _cleanup_image_lock_ ImageLock *lock = NULL;
        _cleanup_(staging_done) Staging staging = { .fd = -EBADF };
        int r;

        if (pool_fd < 0)
                return pool_fd;
        output_phase(o, PHASE_PREPARE);
        r = sweep(job, o, e);
        if (r >= 0)
                r = lock_name(job, &lock, e);
        if (r >= 0)
                r = check_replaced(job, e);
        if (r >= 0)
                r = staging_begin(pool_fd, job->name, &job->staging, &staging, e);
        if (r < 0)
                return r;

        room_look(staging.fd, job->root, &staging.room);
        r = job->fill(job, &staging, cancel_fd, o, e);
        if (r < 0)
                return error_wrap(e, r, "%s", job->source_name);
        if (r == 0)
                r = cancel_take(cancel_fd);
        if (r > 0)
                return r;
        output_phase(o, PHASE_COMMIT);
        return commit(job, &staging, e);
}
