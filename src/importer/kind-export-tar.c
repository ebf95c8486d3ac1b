/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import export-tar: a tree of the pool becomes an archive. It is read by a process that can read that tree, write
 * to what is open already, and do nothing else. */
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "image/lock.h"
#include "image/subvolume.h"
#include "image/temporary.h"
#include "importer/compress.h"
#include "importer/confine.h"
#include "importer/export-target.h"
#include "importer/helper.h"
#include "importer/kind.h"
#include "importer/sink-fd.h"
#include "importer/tar-write.h"
#include "importer/verify.h"

typedef struct PackJob {
        int source_fd;
        const ExportTarget *target;
        Packing packing;
        int64_t clamp_mtime;
} PackJob;

typedef struct PackState {
        HelperState helper;
        TarWritten written;
        Digest digest;
} PackState;

static int pack(void *context, HelperState *helper, Error *e) {
        const PackJob *job = context;
        const TarWriteOptions options = { .clamp_mtime = job->clamp_mtime, .done = &helper->done };
        _cleanup_(stage_freep) Stage *chain = NULL;
        _cleanup_fd_ int source = -EBADF;
        uint64_t size;
        int r;

        /* Names that are UTF-8 are marked as that in archives. */
        (void) setlocale(LC_CTYPE, "C.UTF-8");
        r = confine_packer(job->source_fd, &source, e);
        (void) close(job->source_fd);
        if (r >= 0)
                r = confine_filter(e);
        if (r >= 0 && tar_write_size(source, &size) >= 0) {
                atomic_store(&helper->total, size);
                if (job->packing.format == FORMAT_PLAIN)
                        r = export_target_check_room(job->target, size, e);
        }
        if (r >= 0)
                r = sink_fd_new(job->target->fd, job->target->shown, &chain, e);
        if (r >= 0 && job->packing.seal.checksum)
                r = verify_new(NULL, &((PackState *) helper)->digest, TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                r = compress_new(job->packing.format, job->packing.level, job->packing.threads,
                                 TAKE_PTR(chain), &chain, e);
        return r < 0 ? r : tar_write(source, &options, chain, &((PackState *) helper)->written, e);
}

static int run_packer(PackJob *job, int cancel_fd, Output *o, Digest *ret_digest, Error *e) {
        const int keep[] = { job->source_fd, job->target->fd };
        const Helper helper = {
                .name = "the packer",
                .run = pack,
                .context = job,
                .keep = keep,
                .n_keep = ELEMENTSOF(keep),
        };
        PackState *state = helper_state_new(sizeof *state);

        if (!state)
                return error_oom(e);
        atomic_store(&state->helper.done, 0);
        atomic_store(&state->helper.phase, PHASE_PACK);
        int r = helper_run(&helper, &state->helper, cancel_fd, o, e);
        if (r == 0 && state->written.sockets > 0)
                output_note(o, LOG_NOTICE, "%llu sockets were left out: archives have none",
                            (unsigned long long) state->written.sockets);
        *ret_digest = state->digest;
        helper_state_free(state, sizeof *state);
        return r;
}

/* A snapshot does not change any more. */
typedef struct Snapshot {
        int pool_fd;
        char *name; /* NULL = there is none */
} Snapshot;

static void snapshot_done(Snapshot *s) {
        if (s->name)
                (void) tree_remove(s->pool_fd, s->name);
        free(s->name);
        (void) fd_close(s->pool_fd);
}

/* Opens the tree, or a snapshot of it. */
static int open_tree_of(const Image *image, Snapshot *s, Error *e) {
        _cleanup_fd_ int fd = open(image->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *name = NULL;

        if (fd < 0)
                return error_set(e, errno, "cannot open image '%s': %m", image->name);
        if (image->type != IMAGE_SUBVOLUME || image->read_only || !image->directory ||
            temporary_name(image->name, &name) < 0)
                return TAKE_FD(fd);
        s->pool_fd = open(image->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->pool_fd < 0 || subvolume_snapshot_all(fd, s->pool_fd, name, true) < 0) {
                /* There may be a part of it. */
                if (s->pool_fd >= 0)
                        (void) tree_remove(s->pool_fd, name);
                return TAKE_FD(fd);
        }
        s->name = TAKE_PTR(name);
        int copy = openat(s->pool_fd, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return copy < 0 ? error_set(e, errno, "cannot open a snapshot of image '%s': %m",
                                    image->name)
                        : copy;
}

static int export_image(const Image *image, const KindContext *c, const char *path, PackJob *job,
                        Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;
        _cleanup_(export_target_done) ExportTarget target = { .fd = -EBADF };
        _cleanup_(snapshot_done) Snapshot snapshot = { .pool_fd = -EBADF };
        _cleanup_fd_ int cancel_fd = cancel_open(e), source_fd = -EBADF;
        int r = cancel_fd;

        output_phase(c->output, PHASE_PREPARE);
        if (r >= 0)
                r = kind_lock_exported(image, c->output, &lock, e);
        if (r >= 0)
                r = export_target_open(path, c->options->force, &target, e);
        if (r >= 0)
                r = source_fd = open_tree_of(image, &snapshot, e);
        if (r < 0)
                return r;

        job->source_fd = source_fd;
        job->target = &target;
        Digest digest;
        r = run_packer(job, cancel_fd, c->output, &digest, e);
        job->target = NULL;
        if (r != 0)
                return r < 0 ? error_wrap(e, r, "image '%s'", image->name) : r;
        output_phase(c->output, PHASE_COMMIT);
        return export_target_finish(&target, &job->packing.seal,
                                    job->packing.seal.checksum ? &digest : NULL, c->options->sync,
                                    e);
}

int kind_export_tar(char *const *args, void *context, Error *e) {
        const KindContext *c = context;
        const char *path = args[1] ? args[1] : "-";
        _cleanup_image_ Image *image = NULL;
        PackJob job = {};
        int r = kind_choose_packing(c->options, path, &job.packing, e);

        job.clamp_mtime = c->options->clamp_mtime;
        if (r >= 0)
                r = kind_find_image(c->options, args[0], &image, e);
        if (r < 0)
                return r;
        if (image->type != IMAGE_DIRECTORY && image->type != IMAGE_SUBVOLUME)
                return error_set(e, EOPNOTSUPP,
                                 "image '%s' is of type %s: only directories and subvolumes become "
                                 "archives (see export-raw)",
                                 image->name, image_type_name(image->type));
        if (!c->options->quiet && c->output->fd < 0 && output_title(c->output, image->name) < 0)
                return error_oom(e);
        return export_image(image, c, path, &job, e);
}
