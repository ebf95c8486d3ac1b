/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses how a disk gets into its file, and has a confined child do it, see converter.h. */
#include "importer/converter.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/confine.h"
#include "importer/estimate.h"
#include "importer/filter.h"
#include "importer/format.h"
#include "importer/qcow2.h"
#include "importer/relay.h"
#include "importer/sink-disk.h"
#include "importer/source.h"
#include "importer/sparse.h"

typedef enum Way {
        WAY_STREAM, /* through the chain: what is packed, what is no file, what has to be digested */
        WAY_COPY,   /* a raw disk in a file */
        WAY_QCOW2,  /* a qcow2 image in a file */
} Way;

typedef struct ConvertState {
        HelperState helper;
        Digest digest;
} ConvertState;

typedef struct Work {
        const ConvertJob *job;
        Way way;
        int spool_fd; /* for WAY_STREAM; -EBADF = none */
} Work;

static int full(const ConvertJob *job, int r, Error *e) {
        return r == -ENOSPC || r == -EDQUOT
                       ? error_set(e, r, "the file system of %s is full", job->place)
                       : error_set(e, r, "cannot copy the disk: %m");
}

/* From the back to the front: each stage is given the one that follows it. */
static int build_chain(const Work *w, ConvertState *state, Stage **ret, Error *e) {
        const ConvertJob *job = w->job;
        const SinkDisk disk = {
                .fd = job->target_fd,
                .spool_fd = w->spool_fd,
                .place = job->place,
                .max_ratio = job->max_ratio,
                .in = &state->helper.done,
        };
        _cleanup_(stage_freep) Stage *chain = NULL;
        int r = sink_disk_new(&disk, &chain, e);

        /* Reading, unpacking and writing, each in its own thread. */
        if (r >= 0)
                r = relay_new(TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                r = filter_detect_new(TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                r = relay_new(TAKE_PTR(chain), &chain, e);
        if (r >= 0 && (job->digest || job->ret_digest))
                r = verify_new(job->digest, &state->digest, TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                *ret = TAKE_PTR(chain);
        return r;
}

static int stream(const Work *w, ConvertState *state, Error *e) {
        _cleanup_(stage_freep) Stage *chain = NULL;
        int r = build_chain(w, state, &chain, e);

        return r < 0 ? r : source_run(w->job->source_fd, chain, &state->helper.done, e);
}

static int copy(const Work *w, ConvertState *state, Error *e) {
        int r = sparse_copy(w->job->source_fd, w->job->target_fd, w->job->size,
                            &state->helper.done);

        if (r >= 0)
                r = sink_disk_round(w->job->target_fd);
        return r < 0 ? full(w->job, r, e) : 0;
}

static int unpack(const Work *w, ConvertState *state, Error *e) {
        const Qcow2Progress progress = {
                .done = &state->helper.done,
                .max_written = sink_disk_limit(w->job->max_ratio, w->job->size),
        };
        _cleanup_(qcow2_done) Qcow2 q = {};
        int r = qcow2_open(w->job->source_fd, &q, e);

        if (r < 0)
                return r;
        atomic_store(&state->helper.total, q.size);
        r = qcow2_unpack(&q, w->job->target_fd, &progress, e);
        if (r < 0)
                return r;
        r = sink_disk_round(w->job->target_fd);
        return r < 0 ? full(w->job, r, e) : 0;
}

static uint64_t estimate(const Work *w) {
        struct stat a, b;
        bool shares = w->job->room->shares && fstat(w->job->source_fd, &a) >= 0 &&
                      fstat(w->job->target_fd, &b) >= 0 && a.st_dev == b.st_dev;

        return estimate_disk(w->job->source_fd, shares, w->way == WAY_STREAM);
}

static int convert(void *context, HelperState *helper, Error *e) {
        static int (*const ways[])(const Work *, ConvertState *, Error *) = {
                [WAY_STREAM] = stream,
                [WAY_COPY] = copy,
                [WAY_QCOW2] = unpack,
        };
        const Work *w = context;
        int r = confine_memory(estimate_memory(w->job->source_fd), e);

        if (r >= 0)
                r = confine_converter(e);

        if (r >= 0)
                r = confine_filter_files(e);
        if (r >= 0)
                r = room_check(w->job->room, estimate(w), e);
        if (r >= 0)
                r = ways[w->way](w, (ConvertState *) helper, e);
        if (r < 0 || !w->job->sync)
                return r;
        atomic_store(&helper->phase, PHASE_SYNC);
        return fsync(w->job->target_fd) < 0 ? full(w->job, -errno, e) : 0;
}

/* From a file that is read from its beginning: a look at that tells. */
static Way choose_way(const ConvertJob *job) {
        uint8_t head[FORMAT_MAGIC_MAX];
        struct stat st;
        ssize_t n;

        if (job->digest || job->ret_digest || fstat(job->source_fd, &st) < 0 ||
            !S_ISREG(st.st_mode) || lseek(job->source_fd, 0, SEEK_CUR) != 0)
                return WAY_STREAM;
        n = pread(job->source_fd, head, sizeof head, 0);
        if (n <= 0 || (uint64_t) st.st_size != job->size)
                return WAY_STREAM;
        if (qcow2_detect(head, (size_t) n))
                return WAY_QCOW2;
        return format_detect(head, (size_t) n) == FORMAT_PLAIN ? WAY_COPY : WAY_STREAM;
}

static bool is_on_btrfs(int fd) {
        struct statfs v;

        return fstatfs(fd, &v) >= 0 && v.f_type == BTRFS_SUPER_MAGIC;
}

/* Disks are written to here and there, which is slow where each write goes to a new place. Only for files that are
 * empty, and what shares data must have the same mark as what it shares with. */
static void avoid_copy_on_write(const Work *w) {
        int fd = w->job->target_fd, flags;

        if (!is_on_btrfs(fd) || (w->way == WAY_QCOW2 && is_on_btrfs(w->job->source_fd)))
                return;
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) >= 0) {
                flags |= FS_NOCOW_FL;
                (void) ioctl(fd, FS_IOC_SETFLAGS, &flags);
        }
}

/* Return: 1 all is shared; 0 it has to be copied; -errno. */
static int share(const ConvertJob *job, Error *e) {
        int r;

        if (ioctl(job->target_fd, FICLONE, job->source_fd) < 0)
                return 0;
        r = sink_disk_round(job->target_fd);
        if (r >= 0 && job->sync && fsync(job->target_fd) < 0)
                r = -errno;
        return r < 0 ? full(job, r, e) : 1;
}

static int run(Work *w, int cancel_fd, Output *o, Error *e) {
        const int keep[] = { w->job->source_fd, w->job->target_fd, w->spool_fd };
        const Helper helper = {
                .name = "the converter",
                .run = convert,
                .context = w,
                .keep = keep,
                .n_keep = w->spool_fd < 0 ? 2 : 3,
        };
        ConvertState *state = helper_state_new(sizeof *state);

        if (!state)
                return error_oom(e);
        atomic_store(&state->helper.done, 0);
        atomic_store(&state->helper.total, w->job->size);
        atomic_store(&state->helper.phase, w->way == WAY_COPY ? PHASE_COPY : PHASE_CONVERT);
        int r = helper_run(&helper, &state->helper, cancel_fd, o, e);
        if (r == 0 && w->job->ret_digest) {
                *w->job->ret_digest = state->digest;
                if ((unsigned) w->job->ret_digest->type >= _DIGEST_TYPE_MAX)
                        r = error_set(e, EBADMSG, "the converter tells nonsense");
        }
        helper_state_free(state, sizeof *state);
        return r;
}

int converter_run(const ConvertJob *job, int cancel_fd, Output *o, Error *e) {
        _cleanup_fd_ int spool_fd = -EBADF;
        Work w = { .job = job, .way = choose_way(job), .spool_fd = -EBADF };
        int r;

        if (w.way == WAY_COPY) {
                r = share(job, e);
                if (r != 0)
                        return MIN(r, 0);
        }
        avoid_copy_on_write(&w);
        if (w.way == WAY_STREAM)
                w.spool_fd = spool_fd = openat(job->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
                                               0600);
        return run(&w, cancel_fd, o, e);
}
