/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import export-raw: a disk of the pool, in a file or a block device, goes out as it is or packed. It is read by a
 * process that has it and the target open and can do nothing else. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/compress.h"
#include "importer/confine.h"
#include "importer/estimate.h"
#include "importer/export-target.h"
#include "importer/helper.h"
#include "importer/kind.h"
#include "importer/sink-fd.h"
#include "importer/sparse.h"
#include "importer/verify.h"

#define READ_SIZE ((size_t) 256 * 1024)
#define HOLE_SIZE ((uint64_t) 256 * 1024 * 1024)

typedef struct PackJob {
        int source_fd;
        uint64_t size;
        const ExportTarget *target;
        Packing packing;
        bool is_shared; /* the target has the data already */
} PackJob;

typedef struct PackState {
        HelperState helper;
        Digest digest;
} PackState;

static int push_range(Stage *chain, int fd, uint8_t *buffer, uint64_t at, uint64_t end,
                      _Atomic uint64_t *done, Error *e) {
        int r = 0;

        while (at < end && r >= 0) {
                ssize_t k = pread(fd, buffer, (size_t) MIN((uint64_t) READ_SIZE, end - at),
                                  (off_t) at);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return error_set(e, k < 0 ? errno : ENODATA, "cannot read the disk: %m");
                r = stage_push(chain, buffer, (size_t) k, e);
                at += (uint64_t) k;
                (void) atomic_fetch_add_explicit(done, (uint64_t) k, memory_order_relaxed);
        }
        return r;
}

/* Is not read. */
static int push_hole(Stage *chain, uint64_t n, _Atomic uint64_t *done, Error *e) {
        int r = 0;

        while (n > 0 && r >= 0) {
                uint64_t k = MIN(n, HOLE_SIZE);

                r = stage_zeroes(chain, k, e);
                n -= k;
                (void) atomic_fetch_add_explicit(done, k, memory_order_relaxed);
        }
        return r;
}

static int push_disk(const PackJob *job, Stage *chain, _Atomic uint64_t *done, Error *e) {
        _cleanup_free_ uint8_t *buffer = malloc(READ_SIZE);
        uint64_t at = 0, data, end;
        int r = buffer ? 0 : error_oom(e);

        while (at < job->size && r >= 0) {
                r = sparse_next(job->source_fd, at, job->size, &data, &end);
                if (r >= 0)
                        r = push_hole(chain, data - at, done, e);
                if (r >= 0)
                        r = push_range(chain, job->source_fd, buffer, data, end, done, e);
                at = end;
        }
        return r < 0 ? r : stage_end(chain, e);
}

/* As it is, with its holes. */
static int copy_disk(const PackJob *job, HelperState *helper, Digest *ret_digest, Error *e) {
        const ExportTarget *t = job->target;
        _cleanup_(stage_freep) Stage *chain = NULL;
        _Atomic uint64_t read = 0;
        int r = 0;

        if (!job->is_shared) {
                r = export_target_check_room(t, estimate_data(job->source_fd, 0, job->size), e);
                if (r < 0)
                        return r;
                r = sparse_copy(job->source_fd, t->fd, job->size, &helper->done);
        }
        if (r == -ENOSPC || r == -EDQUOT)
                return error_set(e, r, "the file system of '%s' is full", t->shown);
        if (r < 0)
                return error_set(e, r, "cannot copy the disk to '%s': %m", t->shown);
        if (!job->packing.seal.checksum)
                return 0;
        r = verify_new(NULL, ret_digest, NULL, &chain, e);
        return r < 0 ? r : push_disk(job, chain, &read, e);
}

static int pack(void *context, HelperState *helper, Error *e) {
        const PackJob *job = context;
        const ExportTarget *t = job->target;
        Digest *digest = &((PackState *) helper)->digest;
        _cleanup_(stage_freep) Stage *chain = NULL;
        int r = confine_converter(e);

        if (r >= 0)
                r = confine_filter_files(e);
        if (r >= 0 && t->path && job->packing.format == FORMAT_PLAIN)
                return copy_disk(job, helper, digest, e);
        if (r >= 0)
                r = sink_fd_new(t->fd, t->shown, &chain, e);
        if (r >= 0 && job->packing.seal.checksum)
                r = verify_new(NULL, digest, TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                r = compress_new(job->packing.format, job->packing.level, job->packing.threads,
                                 TAKE_PTR(chain), &chain, e);
        return r < 0 ? r : push_disk(job, chain, &helper->done, e);
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
        atomic_store(&state->helper.total, job->size);
        atomic_store(&state->helper.phase,
                     job->packing.format == FORMAT_PLAIN ? PHASE_COPY : PHASE_PACK);
        int r = helper_run(&helper, &state->helper, cancel_fd, o, e);
        *ret_digest = state->digest;
        helper_state_free(state, sizeof *state);
        return r;
}

static int open_disk(const Image *image, uint64_t *ret_size, Error *e) {
        _cleanup_fd_ int fd = open(image->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot open image '%s': %m", image->name);
        if (S_ISREG(st.st_mode))
                *ret_size = (uint64_t) st.st_size;
        else if (!S_ISBLK(st.st_mode) || ioctl(fd, BLKGETSIZE64, ret_size) < 0)
                return error_set(e, EINVAL, "image '%s' is neither a file nor a block device",
                                 image->name);
        return TAKE_FD(fd);
}

static int export_image(const Image *image, const KindContext *c, const char *path, PackJob *job,
                        Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;
        _cleanup_(export_target_done) ExportTarget target = { .fd = -EBADF };
        _cleanup_fd_ int cancel_fd = cancel_open(e), source_fd = -EBADF;
        int r = cancel_fd;

        output_phase(c->output, PHASE_PREPARE);
        if (r >= 0)
                r = kind_lock_exported(image, c->output, &lock, e);
        if (r >= 0)
                r = export_target_open(path, c->options->force, &target, e);
        if (r >= 0)
                r = source_fd = open_disk(image, &job->size, e);
        if (r < 0)
                return r;

        job->source_fd = source_fd;
        job->target = &target;
        /* Nothing is faster than not to copy. */
        job->is_shared = target.path && job->packing.format == FORMAT_PLAIN &&
                         ioctl(target.fd, FICLONE, source_fd) >= 0;
        Digest digest;
        r = job->is_shared && !job->packing.seal.checksum
                    ? 0
                    : run_packer(job, cancel_fd, c->output, &digest, e);
        job->target = NULL;
        if (r != 0)
                return r < 0 ? error_wrap(e, r, "image '%s'", image->name) : r;
        output_phase(c->output, PHASE_COMMIT);
        return export_target_finish(&target, &job->packing.seal,
                                    job->packing.seal.checksum ? &digest : NULL, c->options->sync,
                                    e);
}

int kind_export_raw(char *const *args, void *context, Error *e) {
        const KindContext *c = context;
        const char *path = args[1] ? args[1] : "-";
        _cleanup_image_ Image *image = NULL;
        PackJob job = {};
        int r = kind_choose_packing(c->options, path, &job.packing, e);

        if (r >= 0)
                r = kind_find_image(c->options, args[0], &image, e);
        if (r < 0)
                return r;
        if (image->type != IMAGE_RAW && image->type != IMAGE_BLOCK)
                return error_set(e, EOPNOTSUPP,
                                 "image '%s' is of type %s: only disks go out as such (see "
                                 "export-tar)",
                                 image->name, image_type_name(image->type));
        if (!c->options->quiet && c->output->fd < 0 && output_title(c->output, image->name) < 0)
                return error_oom(e);
        return export_image(image, c, path, &job, e);
}
